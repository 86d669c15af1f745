import { format } from 'node:util';
import { vi } from 'vitest';
import { describeFailure } from '../../src/cli/failure.ts';
import { createProgram } from '../../src/cli/program.ts';
import type { Ended } from './run-easel.ts';

/**
 * Runs a command in the process of the test, where a process of its own would show nothing more: a start takes a second. Database and
 * pictures are in `folder`. It takes over environment and output, so that no two may run at once; log lines are not in its output.
 */
export async function callEasel(
  folder: string,
  args: readonly string[],
  env: Readonly<Record<string, string>> = {},
): Promise<Ended> {
  const stdout: string[] = [];
  const stderr: string[] = [];
  const writeTo = (texts: string[]) => (chunk: unknown) => {
    // Node's own warnings are about the test's process, in which many services have run.
    if (!/^\(node:\d+\) /.test(String(chunk))) texts.push(String(chunk));
    return true;
  };
  const logTo =
    (texts: string[]) =>
    (...given: unknown[]) =>
      void texts.push(`${format(...given)}\n`);
  const spies = [
    vi.spyOn(process.stdout, 'write').mockImplementation(writeTo(stdout)),
    vi.spyOn(process.stderr, 'write').mockImplementation(writeTo(stderr)),
    vi.spyOn(console, 'log').mockImplementation(logTo(stdout)),
    vi.spyOn(console, 'error').mockImplementation(logTo(stderr)),
  ];
  const environment = process.env;
  process.env = { MEDIA_DIR: `${folder}/media`, DATABASE_URL: `sqlite:${folder}/easel.db`, ...env };
  process.exitCode = 0;
  try {
    // As src/cli/easel.ts does.
    await createProgram().parseAsync([...args], { from: 'user' });
  } catch (error) {
    const { exitCode, message } = describeFailure(error, env.LOG_LEVEL);
    if (message !== null) stderr.push(`${message}\n`);
    process.exitCode = exitCode;
  } finally {
    process.env = environment;
    for (const spy of spies) spy.mockRestore();
  }
  const code = Number(process.exitCode);
  process.exitCode = undefined;
  return { code, stdout: stdout.join(''), stderr: stderr.join('') };
}
