/** A place to run the commands of the documentation in, as a reader would. */

import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readdir, rm, symlink } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { delimiter, dirname, join } from 'node:path';
import { COMPILE_CACHE } from '../support/compile-cache.ts';
import { PROJECT } from './pages.ts';

/** Folders of a service that runs in the project itself, and what git keeps there. */
const NOT_LINKED = new Set(['.git', '.data', 'media', 'dist', 'api-keys', '.env']);

export interface Checkout extends AsyncDisposable {
  readonly path: string;
  /** Runs bash until it ends. Resolves with its exit code and everything it printed. */
  run(script: string, env?: Readonly<Record<string, string>>): Promise<{ code: number | null; output: string }>;
  /** Starts bash and goes on. What it started ends with the checkout, or with `stop`. */
  start(script: string, env?: Readonly<Record<string, string>>): Background;
}

export interface Background {
  readonly output: () => string;
  /** True once it has ended by itself, with another code than 0. */
  readonly hasFailed: () => boolean;
  /** Asks all of its processes to end, and waits for that. */
  stop(): Promise<void>;
}

/**
 * A folder with a link to everything in the project, and without data of its own: npm and Easel find what they need, and what a
 * command writes beside it is gone at the end of the `await using` block.
 */
export async function createCheckout(): Promise<Checkout> {
  const path = await mkdtemp(join(tmpdir(), 'easel-docs-'));
  const names = (await readdir(PROJECT)).filter((name) => !NOT_LINKED.has(name));
  await Promise.all(names.map((name) => symlink(join(PROJECT, name), join(path, name))));
  const started: Background[] = [];

  const bash = (
    script: string,
    env: Readonly<Record<string, string>> = {},
  ): { child: ChildProcess; output: () => string } => {
    const child = spawn('bash', ['-euo', 'pipefail', '-c', script], {
      cwd: path,
      // A group of its own, so that all that it starts can be ended.
      detached: true,
      env: {
        PATH: [dirname(process.execPath), process.env.PATH].join(delimiter),
        HOME: path,
        NODE_COMPILE_CACHE: COMPILE_CACHE,
        npm_config_update_notifier: 'false',
        ...env,
      },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    let output = '';
    for (const stream of [child.stdout, child.stderr]) stream.on('data', (chunk) => (output += chunk));
    return { child, output: () => output };
  };

  return {
    path,
    async run(script, env) {
      const { child, output } = bash(script, env);
      const [code] = (await once(child, 'close')) as [number | null];
      return { code, output: output() };
    },
    start(script, env) {
      const { child, output } = bash(script, env);
      const ended = once(child, 'close').then(() => undefined);
      const background: Background = {
        output,
        hasFailed: () => child.exitCode !== null && child.exitCode !== 0,
        async stop() {
          if (child.exitCode === null && child.signalCode === null) signalGroup(child, 'SIGTERM');
          await ended;
        },
      };
      started.push(background);
      return background;
    },
    async [Symbol.asyncDispose]() {
      await Promise.all(started.map((background) => background.stop()));
      await rm(path, { recursive: true, force: true });
    },
  };
}

function signalGroup({ pid }: ChildProcess, signal: NodeJS.Signals): void {
  if (pid === undefined) return;
  try {
    process.kill(-pid, signal);
  } catch (error) {
    // It has ended by itself meanwhile.
    if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error;
  }
}
