import { setTimeout as delay } from 'node:timers/promises';
import pg from 'pg';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { openCallLimits, type PostgresCallLimits } from '../../../src/adapters/limits/postgres-calls.ts';
import type { Clock } from '../../../src/core/ports/clock.ts';
import type { CallLimits } from '../../../src/core/ports/shared-call-limits.ts';
import { createThrottle, type Throttle } from '../../../src/core/upstream/throttle.ts';
import { openReplica, SILENT, type TestReplica } from '../../support/postgres/replica.ts';
import { createTestDatabase, type TestDatabase } from '../../support/postgres/shared-server.ts';
import { until } from '../../support/until.ts';

const clock: Clock = {
  now: () => Date.now(),
  monotonic: () => Math.floor(performance.now()),
  sleep: (ms, signal) => delay(ms, undefined, { signal }),
};

describe('limits of calls over replicas', () => {
  let test: TestDatabase;
  const replicas: TestReplica[] = [];
  const opened: PostgresCallLimits[] = [];
  let providers = 0;
  let leaving = new AbortController();

  beforeAll(async () => {
    test = await createTestDatabase();
    for (let index = 0; index < 3; index += 1) {
      const replica = await openReplica(test);
      replicas.push(replica);
      opened.push(await openCallLimits({ ...replica, log: SILENT }));
    }
  });
  afterEach(() => {
    leaving.abort();
    leaving = new AbortController();
  });
  afterAll(async () => {
    for (const limits of opened) limits.close();
    await Promise.all(replicas.map((replica) => replica[Symbol.asyncDispose]()));
    await test.drop();
  });

  /** A provider of this test's own, with its throttle in each replica. */
  function throttles(limits: Partial<CallLimits>): { provider: string; all: Throttle[] } {
    providers += 1;
    const provider = `provider${providers}`;
    const given = { concurrency: null, perMinute: null, ...limits };
    return { provider, all: opened.map((replica) => createThrottle(given, clock, replica.of(provider, given))) };
  }
  /** A call that a test does not wait for to its end, as where it fails, is given up with the test. */
  function acquire(throttle?: Throttle): Promise<Disposable> {
    const slot = (throttle as Throttle).acquire(leaving.signal);
    slot.catch(() => undefined);
    return slot;
  }

  it('never has more calls at a time than are allowed, and uses what is allowed', async () => {
    const { all } = throttles({ concurrency: 3 });
    let running = 0;
    let most = 0;
    let made = 0;
    const call = async (throttle: Throttle) => {
      using _slot = await acquire(throttle);
      running += 1;
      most = Math.max(most, running);
      await delay(10);
      running -= 1;
      made += 1;
    };
    await Promise.all(Array.from({ length: 30 }, (_, index) => call(all[index % 3] as Throttle)));
    expect([made, most]).toEqual([30, 3]);
  });

  it('wakes callers at every replica when a place is free', async () => {
    const { provider, all } = throttles({ concurrency: 1 });
    const slot = await acquire(all[0]);
    const waiting = acquire(all[1]);
    let isFreed = false;
    const third = opened[2]?.of(provider, { concurrency: 1, perMinute: null });
    third?.onChange({ freed: () => (isFreed = true), paused: () => undefined });
    expect(await third?.tryBegin()).toEqual({ waitMs: 1_000, pausedMs: 0 });
    expect(isFreed).toBe(false);
    slot[Symbol.dispose]();
    (await waiting)[Symbol.dispose]();
    await until(() => isFreed);
  });

  it('counts the calls of any minute exactly, by the clock of the database', async () => {
    const { provider, all } = throttles({ perMinute: 3 });
    // One that has just begun, one that has left the minute, and one from before the clock was set back an hour.
    for (const age of ['1 second', '61 seconds', '-1 hour']) {
      await test.query('INSERT INTO easel.call_starts VALUES ($1, now() - $2::interval)', [provider, age]);
    }
    let began = 0;
    const calls = [0, 1, 2, 0, 1].map((index) => acquire(all[index]).then(() => (began += 1)));
    const given = Promise.allSettled(calls);
    await until(() => began === 1);
    const turn = () => opened[0]?.of(provider, { concurrency: null, perMinute: 3 }).tryBegin();
    const waits = { pausedMs: 0, waitMs: expect.toSatisfy((ms: number) => ms > 0 && ms <= 60_000) };
    expect(await turn()).toEqual(waits);
    // Those that wait would take the place that the next line frees.
    leaving.abort();
    await given;
    expect(began).toBe(1);
    // A minute later for the oldest.
    const oldest = '(SELECT min(started_at) FROM easel.call_starts WHERE provider = $1)';
    await test.query(
      `UPDATE easel.call_starts SET started_at = started_at - interval '1 minute' WHERE provider = $1 AND started_at = ${oldest}`,
      [provider],
    );
    expect(await turn()).toHaveProperty('place');
    expect(await turn()).toEqual(waits);
    const rows = await test.query('SELECT count(*)::int AS n FROM easel.call_starts WHERE provider = $1', [provider]);
    expect(rows).toEqual([{ n: 3 }]);
  });

  it('counts calls that ask at the same moment one after the other', async () => {
    const { provider } = throttles({});
    const turns = await Promise.all(
      Array.from({ length: 30 }, (_, index) =>
        opened[index % 3]?.of(provider, { concurrency: null, perMinute: 7 }).tryBegin(),
      ),
    );
    expect(turns.filter((turn) => turn && 'place' in turn)).toHaveLength(7);
  });

  it('stops all replicas for a pause at one of them, at most five minutes', async () => {
    const { provider, all } = throttles({});
    all[0]?.pause(86_400_000);
    await until(() => all.every((throttle) => throttle.pausedMs() > 200_000));
    const turn = await opened[1]?.of(provider, { concurrency: null, perMinute: null }).tryBegin();
    expect(turn).toMatchObject({ pausedMs: expect.toSatisfy((ms: number) => ms > 200_000 && ms <= 300_000) });
    // A shorter one, and one of another provider, change nothing.
    all[1]?.pause(1_000);
    expect(all[2]?.pausedMs()).toBeGreaterThan(200_000);
    const limits = opened[1]?.of(provider, { concurrency: null, perMinute: null });
    await until(async () => {
      // Again and again, as the write of the second pause may come after it.
      await test.query('UPDATE easel.call_pauses SET until = now() WHERE provider = $1', [provider]);
      const next = await limits?.tryBegin();
      return next !== undefined && 'place' in next;
    });
  });

  it('begins no call during a pause that a replica was not told of', async () => {
    const { provider, all } = throttles({});
    await test.query("INSERT INTO easel.call_pauses VALUES ($1, now() + interval '1 minute')", [provider]);
    const call = acquire(all[0]);
    await until(() => (all[0]?.pausedMs() ?? 0) > 0);
    leaving.abort();
    await expect(call).rejects.toThrow();
  });

  it('frees the places of a replica whose session ends with it', async () => {
    const { provider, all } = throttles({ concurrency: 1 });
    const dying = new pg.Client({ connectionString: test.url, application_name: 'dying' });
    dying.on('error', () => undefined);
    await dying.connect();
    await dying.query('SELECT pg_advisory_lock(hashtextextended($1, 0))', [`easel slot ${provider} 0`]);
    const waiting = acquire(all[0]);
    expect(await opened[1]?.of(provider, { concurrency: 1, perMinute: null }).tryBegin()).toHaveProperty('waitMs');
    await test.query("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'dying'");
    (await waiting)[Symbol.dispose]();
  });

  it('keeps the places of calls under way over a lost connection', async () => {
    const { provider, all } = throttles({ concurrency: 1 });
    const holder = replicas[0] as TestReplica;
    const slot = await acquire(all[0]);
    const lostAt = performance.now();
    await holder.loseSession();
    await until(async () => {
      const locks = await test.query(`SELECT count(*)::int AS n FROM pg_locks
        WHERE locktype = 'advisory' AND database = (SELECT oid FROM pg_database WHERE datname = current_database())`);
      const connectedMs = holder.session.connectedMs();
      return connectedMs !== null && connectedMs < performance.now() - lostAt && locks[0]?.n === 1;
    });
    expect(await opened[1]?.of(provider, { concurrency: 1, perMinute: null }).tryBegin()).toHaveProperty('waitMs');
    const waiting = acquire(all[1]);
    slot[Symbol.dispose]();
    (await waiting)[Symbol.dispose]();
  });

  it('lets no call begin while PostgreSQL cannot be reached', async () => {
    const alone = await openReplica(test);
    const limits = await openCallLimits({ ...alone, log: SILENT });
    const given = { concurrency: null, perMinute: null };
    await alone.database.close();
    expect(await limits.of('unreachable', given).tryBegin()).toEqual({ waitMs: 1_000, pausedMs: 0 });
    limits.close();
    await alone.session.close();
  });
});
