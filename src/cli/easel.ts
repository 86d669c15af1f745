/** The command-line interface: runs the command, and ends with its exit code. `bin/easel.js` starts it. */

import '../thread-pool.ts';
import { describeFailure } from './failure.ts';
import { createProgram } from './program.ts';

try {
  await createProgram().parseAsync();
} catch (error) {
  const { exitCode, message } = describeFailure(error, process.env.LOG_LEVEL);
  if (message !== null) console.error(message);
  process.exitCode = exitCode;
}
