/**
 * A preload: at SIGWINCH the process opens files until the system gives it no more, and takes each that another thread gives back, until
 * the next SIGWINCH, when it closes them. It says so on the standard error.
 */

import { closeSync, openSync } from 'node:fs';

const held: number[] = [];
let taking: NodeJS.Immediate | undefined;

/** The error that ends it is that of the system. */
function takeAll(): unknown {
  taking = setImmediate(takeAll);
  try {
    for (;;) held.push(openSync('/dev/null', 'r'));
  } catch (error) {
    return error;
  }
}

process.on('SIGWINCH', () => {
  if (held.length > 0) {
    clearImmediate(taking);
    for (const fd of held.splice(0)) closeSync(fd);
    process.stderr.write('closed\n');
    return;
  }
  process.stderr.write(`${(takeAll() as NodeJS.ErrnoException).code}\n`);
});
