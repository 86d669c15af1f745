/** Loaded ahead of the service (`node --import`), it writes the URL of every module that is loaded into the file `LOADED_MODULES`. */

import { appendFileSync } from 'node:fs';
import { registerHooks } from 'node:module';

const file = process.env.LOADED_MODULES ?? '';

registerHooks({
  load(url, context, nextLoad) {
    appendFileSync(file, `${url}\n`);
    return nextLoad(url, context);
  },
});
