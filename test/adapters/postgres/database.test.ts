import { pino } from 'pino';
import { afterEach, beforeEach, describe, expect, it, onTestFinished, vi } from 'vitest';
import { createPostgresLocks } from '../../../src/adapters/locks/postgres.ts';
import { openPostgres, type PostgresDatabase } from '../../../src/adapters/postgres/database.ts';
import { MIGRATIONS, migrate, NewerSchemaError } from '../../../src/adapters/postgres/schema/migrations.ts';
import { openSession, type PostgresSession } from '../../../src/adapters/postgres/session.ts';
import { answerAsPostgres } from '../../support/postgres/scripted-server.ts';
import { createTestDatabase, type TestDatabase } from '../../support/postgres/shared-server.ts';
import { until } from '../../support/until.ts';

const log = pino({ level: 'silent' });

describe('a PostgreSQL database', () => {
  let test: TestDatabase;
  let database: PostgresDatabase;
  const sessions: PostgresSession[] = [];

  beforeEach(async () => {
    test = await createTestDatabase();
    database = openPostgres({ url: test.url, poolSize: 3, applicationName: 'easel test', log });
  });

  afterEach(async () => {
    await Promise.all(sessions.splice(0).map((session) => session.close()));
    await database.close();
    await test.drop();
  });

  const session = async () => {
    const opened = await openSession({ url: test.url, applicationName: 'easel session', log });
    sessions.push(opened);
    return opened;
  };
  const endSessions = () =>
    test.query(
      "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() AND application_name LIKE 'easel%'",
    );

  it('has the server find out in 15 s that a machine is gone without a word, whose locks would stay for hours', async () => {
    const settings = await database.read(
      "SELECT current_setting('tcp_keepalives_idle')::int + current_setting('tcp_keepalives_count')::int" +
        " * current_setting('tcp_keepalives_interval')::int AS seconds, current_setting('tcp_user_timeout') AS unanswered",
    );
    expect(settings).toEqual([{ seconds: 15, unanswered: '15000' }]);
  });

  it('commits a transaction that resolves, and nothing of one that rejects', async () => {
    await database.write('CREATE TABLE t (n integer)');
    await database.transaction(({ run }) => run('INSERT INTO t VALUES ($1)', [1]));
    const failing = database.transaction(async ({ run }) => {
      await run('INSERT INTO t VALUES (2)');
      throw new Error('no');
    });
    await expect(failing).rejects.toThrow('no');
    expect(await database.read('SELECT n FROM t')).toEqual([{ n: 1 }]);
  });

  it('runs a script of several statements, and leaves no transaction open where one fails', async () => {
    const rows = await database.script('BEGIN; CREATE TABLE t (n integer); SELECT 1 AS a; COMMIT; SELECT 2 AS b');
    expect(rows).toEqual([{ a: 1 }, { b: 2 }]);
    for (let tries = 0; tries < 4; tries += 1) {
      await expect(database.script('BEGIN; INSERT INTO t VALUES (1); SELECT 1 / 0; COMMIT')).rejects.toThrow('zero');
      expect(await database.write('SELECT n FROM t')).toEqual([]);
    }
  });

  it('rejects where a statement failed and the work went on: nothing of it is stored', async () => {
    await database.write('CREATE TABLE t (n integer)');
    const going = database.transaction(async ({ run }) => {
      await run('INSERT INTO t VALUES (1)');
      await run('SELECT 1 / 0').catch(() => undefined);
    });
    await expect(going).rejects.toThrow('not committed');
    expect(await database.read('SELECT n FROM t')).toEqual([]);
  });

  it('commits durably whatever the default and the options in its URL are, which hold beside that', async () => {
    const [{ name } = {}] = await test.query('SELECT current_database() AS name');
    await test.query(`ALTER DATABASE ${name} SET synchronous_commit = off`);
    const url = `${test.url}?options=${encodeURIComponent('-c work_mem=5MB')}&application_name=mine`;
    const other = openPostgres({ url, poolSize: 1, applicationName: 'easel other', log });
    const settings = ['synchronous_commit', 'work_mem', 'application_name'];
    const rows = await other.read('SELECT current_setting(name) AS value FROM unnest($1::text[]) AS name', [settings]);
    expect(rows.map(({ value }) => value)).toEqual(['on', '5MB', 'mine']);
    await other.close();
  });

  it('migrates for as long as that takes', async () => {
    const limits = {
      sql: "CREATE TABLE easel.seen AS SELECT current_setting('statement_timeout') AS value",
      raises: false,
    };
    await migrate(database, [...MIGRATIONS, limits]);
    expect(await database.read('SELECT value FROM easel.seen')).toEqual([{ value: '0' }]);
    const patient = openPostgres({ url: test.url, poolSize: 1, applicationName: 'easel', statementTimeoutMs: 0, log });
    const brief = openPostgres({ url: test.url, poolSize: 1, applicationName: 'easel', statementTimeoutMs: 30, log });
    await patient.read('SELECT pg_sleep(0.1)');
    await expect(brief.read('SELECT pg_sleep(600)')).rejects.toMatchObject({ code: 'storage_unavailable' });
    await Promise.all([patient.close(), brief.close()]);
  });

  it('does a transaction again whose connection was lost before its commit', async () => {
    await database.write('CREATE TABLE t (n integer)');
    let tries = 0;
    await database.transaction(async ({ run }) => {
      tries += 1;
      await run('INSERT INTO t VALUES (1)');
      if (tries === 1) await endSessions();
      await run('INSERT INTO t VALUES (2)');
    });
    expect(tries).toBe(2);
    expect(await database.read('SELECT n FROM t ORDER BY n')).toEqual([{ n: 1 }, { n: 2 }]);
  });

  it('reads and writes again after its connections were ended', async () => {
    await database.write('CREATE TABLE t (n integer)');
    await endSessions();
    expect(await database.read('SELECT n FROM t')).toEqual([]);
  });

  it('asks a server that does not answer once, and says so after 20 seconds', async () => {
    const asked = Promise.withResolvers<void>();
    const leave = vi.fn(() => asked.resolve());
    await using server = await answerAsPostgres({ leave });
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'performance'] });
    onTestFinished(() => void vi.useRealTimers());
    const silent = openPostgres({ url: server.url, poolSize: 1, applicationName: 'test', log });
    const reading = silent.read('SELECT 1');
    reading.catch(() => undefined);
    await asked.promise;
    vi.advanceTimersByTime(20_000);
    await expect(reading).rejects.toMatchObject({ code: 'storage_unavailable' });
    expect(leave).toHaveBeenCalledTimes(1);
    await silent.close();
  });

  it('migrates once, whoever begins, and refuses the schema of a newer Easel', async () => {
    const other = openPostgres({ url: test.url, poolSize: 1, applicationName: 'easel other', log });
    const before = await Promise.all([migrate(database), migrate(other)]);
    expect(before.toSorted()).toEqual([0, MIGRATIONS.length]);
    await database.write('UPDATE easel.schema_version SET version = version + 1');
    await expect(migrate(other)).rejects.toThrow(NewerSchemaError);
    await other.close();
  });

  it('hears notifications, and says when some may have been missed', async () => {
    const heard: string[] = [];
    const one = await session();
    await one.listen('easel_test', {
      message: (payload) => heard.push(payload),
      reconnected: () => heard.push('again'),
    });
    await database.write("SELECT pg_notify('easel_test', 'first')");
    await until(() => heard.includes('first'));
    await endSessions();
    await until(() => heard.includes('again'));
    await database.write("SELECT pg_notify('easel_test', 'second')").catch(() => undefined);
    await database.write("SELECT pg_notify('easel_test', 'third')");
    await until(() => heard.includes('third'));
  });

  it('gives a lock to one process, shared ones to several, and those of a lost connection to others', async () => {
    const [one, other] = [await session(), await session()];
    const [locks, otherLocks] = [createPostgresLocks(one), createPostgresLocks(other)];
    const held = await locks.tryLock('a');
    expect(held).not.toBeNull();
    expect(await locks.tryLock('a')).toBeNull();
    expect(await otherLocks.tryLock('a')).toBeNull();
    expect(await otherLocks.tryLock('b')).not.toBeNull();
    await held?.[Symbol.asyncDispose]();
    await using shared = await otherLocks.tryLock('a', 'shared');
    expect(shared).not.toBeNull();
    expect(await locks.tryLock('a', 'shared')).not.toBeNull();
    expect(await otherLocks.tryLock('a')).toBeNull();
    await one.close();
    await shared?.[Symbol.asyncDispose]();
    await until(async () => (await otherLocks.tryLock('a')) !== null);
  });
});
