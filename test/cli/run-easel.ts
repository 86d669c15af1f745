import { fileURLToPath } from 'node:url';
import { startProcess } from '../support/app/process.ts';

/** The command as a user starts it. */
export const EASEL = fileURLToPath(new URL('../../bin/easel.js', import.meta.url));

export interface Ended {
  readonly code: number | NodeJS.Signals;
  readonly stdout: string;
  readonly stderr: string;
}

/** Runs a command to its end, on the placeholder unless `env` names a provider. Its database and pictures are in `folder`. */
export async function runEasel(
  folder: string,
  args: readonly string[],
  env: Readonly<Record<string, string>> = {},
): Promise<Ended> {
  await using run = startProcess({ folder, command: [process.execPath, EASEL, ...args], env });
  return { code: await run.exited, stdout: run.stdout(), stderr: run.stderr() };
}
