import { once } from 'node:events';
import { type AddressInfo, connect, createServer } from 'node:net';
import { pino } from 'pino';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { allOf, openPostgres, type PostgresDatabase } from '../../../src/adapters/postgres/database.ts';
import { createTestDatabase, type TestDatabase } from '../../support/postgres/shared-server.ts';
import { until } from '../../support/until.ts';

/** Passes all that is sent to a PostgreSQL server, and its answers unless they are held. */
async function startAnswerHolder(target: URL) {
  let sent = '';
  let isHolding = false;
  let held: (() => void)[] = [];
  const server = createServer((client) => {
    const upstream = connect(Number(target.port), target.hostname);
    for (const socket of [client, upstream]) socket.on('error', () => undefined);
    client.on('data', (chunk) => {
      sent += chunk.toString('latin1');
      upstream.write(chunk);
    });
    upstream.on('data', (chunk) => {
      if (isHolding) held.push(() => client.write(chunk));
      else client.write(chunk);
    });
    client.on('close', () => upstream.destroy());
    upstream.on('close', () => client.destroy());
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  return {
    url: Object.assign(new URL(target.href), { port: String((server.address() as AddressInfo).port) }).href,
    sent: () => sent,
    hold() {
      isHolding = true;
    },
    release() {
      isHolding = false;
      for (const answer of held) answer();
      held = [];
    },
    close: () => void server.close(),
  };
}

describe('the statements of a transaction', () => {
  let test: TestDatabase;
  let holder: Awaited<ReturnType<typeof startAnswerHolder>>;
  let database: PostgresDatabase;

  beforeAll(async () => {
    test = await createTestDatabase();
    holder = await startAnswerHolder(new URL(test.url));
    database = openPostgres({
      url: holder.url,
      poolSize: 1,
      applicationName: 'easel test',
      log: pino({ level: 'silent' }),
    });
    await database.write('CREATE TABLE t (n integer)');
  });
  afterAll(async () => {
    await database.close();
    holder.close();
    await test.drop();
  });
  beforeEach(async () => {
    await database.write('DELETE FROM t');
  });

  it('are sent at once where they are begun at once, the first look with the BEGIN', async () => {
    holder.hold();
    const result = database.transaction(async ({ look, run }) => {
      const [found] = await look('SELECT 1 AS looked');
      holder.hold();
      const answers = allOf([
        run('INSERT INTO t VALUES ($1)', [1]),
        run('SELECT 2 AS second'),
        run('SELECT 3 AS third'),
      ]);
      await until(() => holder.sent().includes('SELECT 3 AS third'));
      holder.release();
      return [found, await answers];
    });
    await until(() => holder.sent().includes('SELECT 1 AS looked'));
    holder.release();
    expect(await result).toEqual([{ looked: 1 }, [[], [{ second: 2 }], [{ third: 3 }]]]);
    expect(await database.read('SELECT n FROM t')).toEqual([{ n: 1 }]);
  });

  it('leave nothing behind where one fails, whose failure is raised, and the connection is as before', async () => {
    let settled = 0;
    const failing = database.transaction(async ({ run }) => {
      const count = <T>(answer: Promise<T>) => answer.finally(() => (settled += 1));
      await allOf([
        count(run('INSERT INTO t VALUES (1)')),
        count(run('SELECT 1 / (n - 1) FROM t')),
        count(run('INSERT INTO t VALUES (2)')),
      ]);
    });
    await expect(failing).rejects.toThrow('division by zero');
    expect(settled).toBe(3);
    expect(await database.read('SELECT n FROM t')).toEqual([]);
    await database.transaction(({ run }) => run('INSERT INTO t VALUES (3)'));
    expect(await database.read('SELECT n FROM t')).toEqual([{ n: 3 }]);
  });
});
