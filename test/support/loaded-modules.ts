/**
 * Loaded ahead of the service (`node --import`): appends the URL of every module that its main thread loads to the file that
 * `LOADED_MODULES` names.
 */

import { appendFileSync } from 'node:fs';
import { registerHooks } from 'node:module';

const file = process.env.LOADED_MODULES ?? '';

registerHooks({
  load(url, context, nextLoad) {
    appendFileSync(file, `${url}\n`);
    return nextLoad(url, context);
  },
});
