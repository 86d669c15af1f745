/** The service as a user starts it: a process of its own, in a folder of its own. */

import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { COMPILE_CACHE } from '../compile-cache.ts';
import { LONGEST_WAIT_MS } from '../until.ts';

/** Less garbage collection while the service loads its modules: a seventh of the processor time of a start. Most tests need little more. */
const FLAGS = ['--single-threaded-gc', '--min-semi-space-size=8'];
const PROJECT = fileURLToPath(new URL('../../../', import.meta.url));

export interface RunningProcess extends AsyncDisposable {
  readonly child: ChildProcess;
  readonly stdout: () => string;
  readonly stderr: () => string;
  /** Resolves with the exit code, or the signal that ended it. */
  readonly exited: Promise<number | NodeJS.Signals>;
}

export interface RunningService extends RunningProcess {
  readonly url: string;
}

export interface ProcessOptions {
  readonly folder: string;
  readonly env?: Readonly<Record<string, string>>;
  /** Program and arguments; `src/main.ts` run by this very Node by default. */
  readonly command?: readonly [string, ...string[]];
  /** A module to load ahead of `src/main.ts`, for example one that makes `fsync` fail. */
  readonly preload?: URL;
}

/** Starts the process without waiting for anything. It inherits only PATH and HOME from the environment of the tests. */
export function startProcess({ folder, env = {}, command, preload }: ProcessOptions): RunningProcess {
  const main = [...FLAGS, ...(preload ? ['--import', preload.href] : []), `${PROJECT}src/main.ts`];
  const [program, ...args] = command ?? [process.execPath, ...main];
  const child = spawn(program, args, {
    cwd: command ? PROJECT : folder,
    env: {
      PATH: process.env.PATH,
      HOME: process.env.HOME,
      NODE_COMPILE_CACHE: COMPILE_CACHE,
      PORT: '0',
      ...(env.S3_BUCKET === undefined && { MEDIA_DIR: `${folder}/media` }),
      DATABASE_URL: `sqlite:${folder}/easel.db`,
      ...env,
    },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let stdout = '';
  let stderr = '';
  child.stdout.on('data', (chunk) => {
    stdout += chunk;
  });
  child.stderr.on('data', (chunk) => {
    stderr += chunk;
  });
  const exited = once(child, 'close').then(([code, signal]) => (code ?? signal) as number | NodeJS.Signals);
  return {
    child,
    stdout: () => stdout,
    stderr: () => stderr,
    exited,
    async [Symbol.asyncDispose]() {
      if (child.exitCode === null && child.signalCode === null) child.kill('SIGKILL');
      await exited;
    },
  };
}

/** Starts the service and resolves when it listens. Rejects as `untilListening` does; the process has then ended. */
export async function startService(options: ProcessOptions): Promise<RunningService> {
  const running = startProcess(options);
  return await untilListening(running).catch(async (error: unknown) => {
    await running[Symbol.asyncDispose]();
    throw error;
  });
}

/** Resolves when the service listens. Rejects with all that it printed when it ends before that, or after `LONGEST_WAIT_MS`. */
export async function untilListening(running: RunningProcess): Promise<RunningService> {
  const url = await new Promise<string>((resolve, reject) => {
    const printed = () => `\n${running.stdout()}${running.stderr()}`;
    const timer = setTimeout(() => {
      reject(new Error(`the service does not listen after ${LONGEST_WAIT_MS / 1000} s${printed()}`));
    }, LONGEST_WAIT_MS);
    running.child.stdout?.on('data', () => {
      const match = /listens on (?:[^"\n]*, here )?(http:\/\/[^"\s]+)/.exec(running.stdout());
      if (!match?.[1]) return;
      clearTimeout(timer);
      resolve(match[1]);
    });
    void running.exited.then((end) => {
      clearTimeout(timer);
      reject(new Error(`the service ended with ${end} before it listened${printed()}`));
    });
  });
  return { ...running, url };
}
