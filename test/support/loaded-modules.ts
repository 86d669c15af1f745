/**
 * Loaded ahead of the service (`node --import`): appends the URL of every module that its main thread loads to the file that
 * `LOADED_MODULES` names.
 */

import { appendFileSync } from 'node:fs';
import { registerHooks } from 'node:module';
import { isMainThread } from 'node:worker_threads';

const file = process.env.LOADED_MODULES ?? '';

registerHooks({
  load(url, context, nextLoad) {
    // Threads may be given the preloads of the process.
    if (isMainThread) appendFileSync(file, `${url}\n`);
    return nextLoad(url, context);
  },
});
