import { once } from 'node:events';
import { createServer } from 'node:net';
import pg from 'pg';
import { pino } from 'pino';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { SCHEMA_VERSION } from '../../../src/adapters/postgres/schema/migrations.ts';
import { prepareDatabase } from '../../../src/adapters/postgres/server-check.ts';
import { answerAsPostgres } from '../../support/postgres/scripted-server.ts';
import { startPostgres } from '../../support/postgres/server.ts';
import { createTestDatabase, type TestDatabase } from '../../support/postgres/shared-server.ts';
import { until } from '../../support/until.ts';

const lines: string[] = [];
const log = pino({}, { write: (line) => void lines.push(line) });
const prepare = (url: string, waitMs = 0) =>
  prepareDatabase({ url, poolSize: 2, applicationName: 'easel test', log, waitMs });
/** What stops the start, with the setting before it. */
const refusal = (url: string) =>
  prepare(url).then(
    () => 'none',
    (error: Error) => `${error.name}: ${error.message}`,
  );
/** The URL with parts of it replaced. */
const withParts = (url: string, parts: Partial<URL>) => Object.assign(new URL(url), parts).href;

describe('a start', () => {
  let test: TestDatabase;
  beforeAll(async () => {
    test = await createTestDatabase();
  });
  afterAll(() => test.drop());

  it('makes the tables of an empty database, and finds them there', async () => {
    for (let times = 0; times < 2; times += 1) await (await prepare(test.url)).close();
    expect(await test.query('SELECT version FROM easel.schema_version')).toEqual([{ version: SCHEMA_VERSION }]);
  });

  it('refuses a database that does not exist', async () => {
    expect(await refusal(withParts(test.url, { pathname: '/none' }))).toBe(
      'StorageSetupError: DATABASE_URL: PostgreSQL has no such database: database "none" does not exist; make it with createdb',
    );
  });

  it('refuses a user that does not exist', async () => {
    expect(await refusal(withParts(test.url, { username: 'nemo' }))).toMatch(
      /^StorageSetupError: DATABASE_URL: PostgreSQL refuses the connection: role "nemo" does not exist$/,
    );
  });

  it('refuses a user without rights, and one that may not use the tables that are there', async () => {
    const user = `limited_${Date.now()}`;
    await test.query(`CREATE ROLE ${user} LOGIN`);
    const url = withParts(test.url, { username: user });
    const empty = await createTestDatabase();
    try {
      for (const place of [url, withParts(empty.url, { username: user })]) {
        expect(await refusal(place)).toMatch(
          /^StorageSetupError: DATABASE_URL: the user may not make or use the tables of Easel: permission denied .*; it needs CONNECT and CREATE on the database, and has to own the tables that are there$/,
        );
      }
    } finally {
      await empty.drop();
      await test.query(`DROP ROLE ${user}`);
    }
  });

  // The last one: the database stays as it is.
  it('refuses a database that takes no writes', async () => {
    const [{ name } = {}] = await test.query('SELECT current_database() AS name');
    await test.query(`ALTER DATABASE ${name} SET default_transaction_read_only = on`);
    expect(await refusal(test.url)).toBe(
      'StorageSetupError: DATABASE_URL: the server takes no writes: it is a standby, or read-only; name the primary server',
    );
  });
});

it('refuses the schema of a newer Easel', async () => {
  const test = await createTestDatabase();
  await (await prepare(test.url)).close();
  await test.query('UPDATE easel.schema_version SET version = 1000');
  expect(await refusal(test.url)).toMatch(
    /^StorageSetupError: DATABASE_URL: the database has schema 1000 of a newer Easel/,
  );
  await test.drop();
});

it('refuses an encoding that is not UTF8, and a server without the encryption that the URL asks for', async () => {
  const server = await startPostgres({});
  try {
    const url = withParts(server.url(), { pathname: '/latin' });
    const client = new pg.Client({ connectionString: server.url() });
    await client.connect();
    await client.query("CREATE DATABASE latin ENCODING 'LATIN1' TEMPLATE template0");
    await client.end();
    expect(await refusal(url)).toBe(
      'StorageSetupError: DATABASE_URL: the database has the encoding LATIN1, and Easel needs UTF8',
    );
    expect(await refusal(`${url}?sslmode=require`)).toMatch(
      /^StorageSetupError: DATABASE_URL: the encrypted connection cannot be made: .*SSL/,
    );
  } finally {
    await server.stop();
  }
});

it.each([
  ['too old', { version: 130_011 }, /the server is PostgreSQL 13\.11, and Easel needs 14 or newer$/],
  ['asking for another password', { error: '28P01' }, /PostgreSQL refuses the user or the password$/],
])('refuses a server that is %s', async (_, answers, words) => {
  await using server = await answerAsPostgres(answers);
  expect(await refusal(server.url)).toMatch(words);
});

it.each([
  [
    'a certificate that is not there',
    '?sslrootcert=/none.pem',
    /: ENOENT: no such file or directory, open '\/none\.pem'$/,
  ],
  [
    'an option that the server does not know',
    '?options=-c%20foo%3Dbar',
    /: unrecognized configuration parameter "foo"$/,
  ],
])('refuses a URL with %s in a sentence', async (_, query, words) => {
  const test = await createTestDatabase();
  const sentence = await refusal(`${test.url}${query}`);
  expect(sentence).toMatch(/^StorageSetupError: DATABASE_URL: no connection can be made with this URL: [^\n]*$/);
  expect(sentence).toMatch(words);
  await test.drop();
});

it('refuses a wrong password and a missing one, and names neither', async () => {
  const server = await startPostgres({ password: 'the right one' });
  try {
    const wrong = withParts(server.url(), { password: 'hunter22' });
    expect(await refusal(wrong)).toBe('StorageSetupError: DATABASE_URL: PostgreSQL refuses the user or the password');
    expect(await refusal(withParts(wrong, { password: '' }))).toBe(
      'StorageSetupError: DATABASE_URL: PostgreSQL asks for a password; put it into the URL or into PGPASSWORD',
    );
    await (await prepare(server.url())).close();
  } finally {
    await server.stop();
  }
});

it('tries a server that cannot be reached yet, and takes one that comes meanwhile', async () => {
  lines.length = 0;
  const server = await startPostgres();
  try {
    await server.kill();
    const preparing = prepare(server.url(), 60_000);
    await until(() => lines.some((line) => line.includes('cannot be reached yet, and is tried for 60 s')));
    await server.restart();
    await (await preparing).close();
  } finally {
    await server.stop();
  }
});

it('gives a server up in the end that cannot be reached', async () => {
  lines.length = 0;
  const socket = createServer((connection) => connection.destroy()).listen(0, '127.0.0.1');
  await once(socket, 'listening');
  const { port } = socket.address() as { port: number };
  socket.close();
  await expect(prepare(`postgres://easel@localhost:${port}/easel`, 700)).rejects.toMatchObject({
    name: 'StorageSetupError',
    message: expect.stringMatching(/^DATABASE_URL: PostgreSQL cannot be reached: .*ECONNREFUSED/),
  });
  expect(lines.filter((line) => line.includes('cannot be reached yet, and is tried for 1 s'))).toHaveLength(1);
});
