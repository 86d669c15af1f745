/**
 * Sizes libuv's thread pool, which encodes and file access share. Must be imported before anything that starts the pool (sharp does at
 * import). With libuv's default of 4 threads and 4 encodes at a time, a durable write waited up to 29.8 s in a trial; with 16 threads
 * and 12 encodes at a time, 64 ms. A size that is set in the environment stays.
 */

import { z } from 'zod';
import { imagingConfig, imagingSettings, libuvThreads } from './config/imaging-settings.ts';

const { IMAGING_CONCURRENCY = '' } = process.env;
// What is wrong with the value, `readConfig` says.
const { data = {} } = z.object(imagingSettings).safeParse(IMAGING_CONCURRENCY === '' ? {} : { IMAGING_CONCURRENCY });
process.env.UV_THREADPOOL_SIZE ||= String(libuvThreads(imagingConfig(data)));
