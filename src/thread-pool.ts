/**
 * Sizes libuv's thread pool. Must be imported before anything that starts the pool (sharp does at import). Encodes and file
 * access share its threads: with libuv's default of 4 threads and 4 encodes at a time, a durable write waited up to 29.8 s in
 * a trial; with 16 threads and 12 encodes at a time, 64 ms.
 */
process.env.UV_THREADPOOL_SIZE ??= '16';
