/**
 * The PostgreSQL server that all tests of one run share. The first test that needs it starts it, so that a run without such a test does
 * without; vitest ends it with the run. `TEST_POSTGRES_URL` names another server, whose user may create databases.
 */

import { randomUUID } from 'node:crypto';
import { access, mkdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import pg from 'pg';
import { isConnectionLost } from '../../../src/adapters/postgres/errors.ts';
import { startPostgres } from './server.ts';

const FOLDER = 'EASEL_TEST_POSTGRES';

/** Called by vitest once, ahead of all tests. */
export function setup(): void {
  process.env[FOLDER] = join(tmpdir(), `easel-test-postgres-${process.pid}`);
}

/** Called by vitest once, after all tests. */
export async function teardown(): Promise<void> {
  const folder = process.env[FOLDER] as string;
  const known = await readFile(join(folder, 'server.json'), 'utf8').catch(() => null);
  if (known !== null) {
    const { pid } = JSON.parse(known) as { pid: number };
    try {
      process.kill(pid, 'SIGQUIT');
      for (;;) {
        process.kill(pid, 0);
        await delay(20);
      }
    } catch {
      // It has ended.
    }
  }
  await rm(folder, { recursive: true, force: true, maxRetries: 5 });
}

/** A database of a test's own, empty. */
export interface TestDatabase {
  readonly url: string;
  /** Runs one statement, over connections that only this uses. It is run again where its connection was ended. */
  query(text: string, values?: readonly unknown[]): Promise<readonly Record<string, unknown>[]>;
  /** Deletes it, whoever is connected. */
  drop(): Promise<void>;
}

/** Makes an empty database. */
export async function createTestDatabase(): Promise<TestDatabase> {
  const server = await serverUrl();
  const name = `test_${randomUUID().replaceAll('-', '')}`;
  await withClient(server, (client) => client.query(`CREATE DATABASE ${name}`));
  const url = Object.assign(new URL(server), { pathname: `/${name}` }).href;
  // Kept for a moment: tests ask every few milliseconds, and a connection is a process of the server.
  const pool = new pg.Pool({
    connectionString: url,
    max: 4,
    idleTimeoutMillis: 1_000,
    allowExitOnIdle: true,
    // Whatever a test makes the default of its database.
    options: '-c default_transaction_read_only=off',
  });
  pool.on('error', () => undefined);
  pool.on('connect', (client) => client.on('error', () => undefined));
  const run = async (text: string, values: readonly unknown[]) => (await pool.query(text, [...values])).rows;
  return {
    url,
    query: (text, values = []) =>
      run(text, values).catch((error: unknown) => {
        if (!isConnectionLost(error)) throw error;
        return run(text, values);
      }),
    async drop() {
      if (!pool.ended) await pool.end();
      await withClient(server, (client) => client.query(`DROP DATABASE IF EXISTS ${name} WITH (FORCE)`));
    },
  };
}

async function withClient<T>(url: string, work: (client: pg.Client) => Promise<T>): Promise<T> {
  const client = new pg.Client({ connectionString: url });
  client.on('error', () => undefined);
  await client.connect();
  try {
    return await work(client);
  } finally {
    await client.end();
  }
}

/** The URL of the shared server, which this starts where no test has before. */
async function serverUrl(): Promise<string> {
  if (process.env.TEST_POSTGRES_URL) return process.env.TEST_POSTGRES_URL;
  const folder = process.env[FOLDER];
  if (folder === undefined) throw new Error('the shared PostgreSQL server belongs to a run of vitest');
  const file = join(folder, 'server.json');
  const isFirst = await mkdir(folder).then(
    () => true,
    () => false,
  );
  if (isFirst) {
    return await start(folder, file);
  }
  for (let tries = 0; tries < 1_200; tries += 1) {
    const known = await readFile(file, 'utf8').catch(() => null);
    if (known !== null) return (JSON.parse(known) as { url: string }).url;
    if (await isThere(join(folder, 'failed'))) break;
    await delay(50);
  }
  throw new Error('the shared PostgreSQL server did not start');
}

async function start(folder: string, file: string): Promise<string> {
  try {
    const { pid, url } = await startPostgres({ folder: join(folder, 'server') });
    await writeFile(`${file}.new`, JSON.stringify({ pid, url: url() }));
    await rename(`${file}.new`, file);
    return url();
  } catch (error) {
    await writeFile(join(folder, 'failed'), String(error));
    throw error;
  }
}

function isThere(path: string): Promise<boolean> {
  return access(path).then(
    () => true,
    () => false,
  );
}
