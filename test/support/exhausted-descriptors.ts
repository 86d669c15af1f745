/**
 * A preload: at SIGWINCH the process opens files until the system gives it no more, and at the next SIGWINCH closes them. It says so on
 * the standard error.
 */

import { closeSync, openSync } from 'node:fs';

const held: number[] = [];

process.on('SIGWINCH', () => {
  if (held.length > 0) {
    for (const fd of held.splice(0)) closeSync(fd);
    process.stderr.write('closed\n');
    return;
  }
  try {
    for (;;) held.push(openSync('/dev/null', 'r'));
  } catch (error) {
    process.stderr.write(`${(error as NodeJS.ErrnoException).code}\n`);
  }
});
