/** Loaded ahead of the service (`node --import`): has it take its output for a terminal, though it is a pipe. */

import { syncBuiltinESMExports } from 'node:module';
import tty from 'node:tty';

tty.isatty = () => true;
syncBuiltinESMExports();
