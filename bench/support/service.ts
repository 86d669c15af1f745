/** Servers as processes of their own, for the benches. */

import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, openSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import type { ImageRecord } from '../../src/core/domain/record.ts';

const PROJECT = join(import.meta.dirname, '../..');
const START_TIMEOUT_MS = 60_000;

/** A running server. Disposing of it sends SIGTERM and waits for its end. */
export interface BenchProcess extends AsyncDisposable {
  readonly url: string;
  readonly pid: number;
}

/**
 * Starts the service as `npm start` does, on a free port, with its files and its log in the folder. `wrap` may put a program before the
 * command that replaces itself by it, such as `taskset`.
 */
export async function startEasel(
  folder: string,
  env: Readonly<Record<string, string>>,
  wrap: (command: readonly [string, ...string[]]) => readonly [string, ...string[]] = (command) => command,
): Promise<BenchProcess> {
  const { scripts } = JSON.parse(await readFile(join(PROJECT, 'package.json'), 'utf8')) as {
    scripts: Record<string, string>;
  };
  const defaults = {
    PORT: '0',
    DATABASE_URL: `sqlite:${join(folder, 'easel.db')}`,
    ...(env.S3_BUCKET === undefined && { MEDIA_DIR: join(folder, 'media') }),
  };
  return await startServer(wrap(['sh', '-c', scripts.start ?? '']), join(folder, 'easel.log'), { ...defaults, ...env });
}

/** Starts a process that prints the URL it listens on. Its output goes to the file `log`. */
export async function startServer(
  [program, ...args]: readonly [string, ...string[]],
  log: string,
  env: Readonly<Record<string, string>> = {},
): Promise<BenchProcess> {
  const output = openSync(log, 'w');
  const { PATH, HOME } = process.env;
  const child = spawn(program, args, { cwd: PROJECT, env: { PATH, HOME, ...env }, stdio: ['ignore', output, output] });
  closeSync(output);
  // Where the bench fails or is broken off, it leaves nothing running.
  const endWithBench = () => child.kill('SIGTERM');
  process.once('exit', endWithBench);
  child.once('exit', () => process.off('exit', endWithBench));
  for (const deadline = Date.now() + START_TIMEOUT_MS; ; await delay(20)) {
    const printed = await readFile(log, 'utf8');
    const url = /http:\/\/127\.0\.0\.1:\d+/.exec(printed)?.[0];
    if (url !== undefined) return { url, pid: child.pid ?? 0, [Symbol.asyncDispose]: () => end(child) };
    if (child.exitCode !== null || Date.now() > deadline) {
      await end(child);
      throw new Error(`${program} does not listen:\n${printed}`);
    }
  }
}

async function end(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const closed = once(child, 'close');
  child.kill('SIGTERM');
  await closed;
}

/** Requests a picture and waits for it. Raises when it does not succeed. */
export async function makePicture(url: string, request: object): Promise<ImageRecord> {
  const response = await fetch(`${url}/images`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify(request),
  });
  const record = (await response.json()) as ImageRecord;
  if (record.status === 'succeeded') return record;
  throw new Error(`no picture was made: ${JSON.stringify(record)}`);
}
