/**
 * Sizes libuv's thread pool, when imported before anything that starts it (sharp does so at import). Encodes and file access
 * share these threads: with libuv's default of 4 and 4 encodes at a time, a durable write waited up to 29.8 s in a trial;
 * with 16 threads and 12 encodes at a time, 64 ms.
 */
process.env.UV_THREADPOOL_SIZE ??= '16';
