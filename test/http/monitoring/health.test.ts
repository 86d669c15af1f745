import request from 'supertest';
import { describe, expect, test } from 'vitest';
import type { CheckOutcome } from '../../../src/api/health.ts';
import { createHealth, type HealthChecks } from '../../../src/http/monitoring/health.ts';
import { openHttpApp } from '../../support/app/http-app.ts';
import { createManualClock } from '../../support/test-clock.ts';

const START = Date.UTC(2026, 10, 23, 16);
const at = (seconds: number) => START + seconds * 1000;

function setUp(checks: Partial<HealthChecks> = {}) {
  const clock = createManualClock(START);
  const healthy = async (): Promise<CheckOutcome> => ({ status: 'ok' });
  let stopping = false;
  let usable = true;
  const health = createHealth({
    checks: { storage: healthy, database: healthy, queue: healthy, providers: healthy, ...checks },
    clock,
    stopping: () => stopping,
    providerUsable: () => usable,
  });
  return {
    clock,
    health,
    stop: () => {
      stopping = true;
    },
    setUsable: (now: boolean) => {
      usable = now;
    },
  };
}

describe('health', () => {
  test('reports every check, the time it took its status and the uptime', async () => {
    const { clock, health } = setUp({ providers: async () => ({ status: 'degraded', detail: 'openai: open' }) });
    clock.move(5_500);
    const ok = { status: 'ok', since: at(5.5) };
    expect(await health.report()).toEqual({
      status: 'degraded',
      checks: {
        storage: ok,
        database: ok,
        queue: ok,
        providers: { status: 'degraded', detail: 'openai: open', since: at(5.5) },
      },
      uptimeMs: 5_500,
    });
  });

  test('has the status of the worst check, and counts a check that rejects as an error', async () => {
    const { health } = setUp({
      storage: async () => ({ status: 'degraded' }),
      queue: async () => {
        throw new Error('SQLITE_IOERR');
      },
    });
    const report = await health.report();
    expect(report.status).toBe('error');
    expect(report.checks.queue).toMatchObject({ status: 'error', detail: 'SQLITE_IOERR' });
  });

  test('counts a check that throws synchronously as an error', async () => {
    const { health } = setUp({
      database: () => {
        throw new Error('closed');
      },
    });
    expect((await health.report()).checks.database).toMatchObject({ status: 'error', detail: 'closed' });
  });

  test('runs each check at most once a second, and recovers by itself', async () => {
    let runs = 0;
    let outcome: CheckOutcome = { status: 'error', detail: 'read-only' };
    const { clock, health } = setUp({
      storage: async () => {
        runs++;
        return outcome;
      },
    });
    await Promise.all([health.report(), health.report(), health.readiness()]);
    clock.move(999);
    expect((await health.report()).checks.storage).toEqual({ status: 'error', detail: 'read-only', since: at(0) });
    expect(runs).toBe(1);

    outcome = { status: 'error', detail: 'still read-only' };
    clock.move(1);
    expect((await health.report()).checks.storage).toEqual({
      status: 'error',
      detail: 'still read-only',
      since: at(0),
    });
    expect(runs).toBe(2);

    outcome = { status: 'ok' };
    clock.move(1_000);
    expect((await health.report()).checks.storage).toEqual({ status: 'ok', since: at(2) });
    expect(runs).toBe(3);
  });

  test.each([-3_600_000, 7_200_000])('a clock that is set by %i ms changes no age', async (step) => {
    let outcome: CheckOutcome = { status: 'error' };
    const { clock, health } = setUp({ storage: async () => outcome });
    await health.report();
    outcome = { status: 'ok' };
    clock.step(step);
    clock.move(999);
    expect(await health.report()).toMatchObject({ status: 'error', uptimeMs: 999 });
    clock.move(1);
    expect(await health.report()).toMatchObject({ status: 'ok', uptimeMs: 1000 });
  });

  test('reports a hanging check as an error after 2 s, does not start it twice, and accepts its late result', async () => {
    let runs = 0;
    let end = (_outcome: CheckOutcome) => {};
    const { clock, health } = setUp({
      providers: () => {
        runs++;
        return new Promise((resolve) => {
          end = resolve;
        });
      },
    });
    const first = health.report();
    clock.move(2_000);
    expect((await first).checks.providers).toEqual({ status: 'error', detail: 'no answer within 2 s', since: at(2) });

    clock.move(1_000);
    const second = health.report();
    clock.move(2_000);
    expect((await second).checks.providers).toMatchObject({ status: 'error', since: at(2) });
    expect(runs).toBe(1);

    clock.move(1_000);
    const third = health.report();
    end({ status: 'ok' });
    expect((await third).checks.providers).toEqual({ status: 'ok', since: at(6) });
  });
});

describe('readiness', () => {
  test('is red while no provider takes work, but not while a failed provider may be probed', async () => {
    const { health, setUsable } = setUp({ providers: async () => ({ status: 'error' }) });
    expect(await health.readiness()).toMatchObject({ status: 'ok', checks: { providers: { status: 'error' } } });
    setUsable(false);
    expect(await health.readiness()).toMatchObject({ status: 'error', detail: 'no provider takes work at the moment' });
  });

  test.each(['storage', 'database', 'queue'] as const)('is red without %s', async (name) => {
    const { health } = setUp({ [name]: async () => ({ status: 'error' }) });
    expect((await health.readiness()).status).toBe('error');
  });

  test('is red as soon as the service stops, while health stays green', async () => {
    const { health, stop } = setUp();
    expect((await health.readiness()).status).toBe('ok');
    stop();
    expect(await health.readiness()).toMatchObject({ status: 'error', detail: 'the service is stopping' });
    expect((await health.report()).status).toBe('ok');
  });
});

describe('the routes', () => {
  const ok = async () => ({ status: 'ok' as const });

  test.each([
    ['ok', '/health', 200],
    ['degraded', '/health', 200],
    ['error', '/health', 503],
    ['error', '/health/ready', 503],
    ['error', '/health/live', 200],
  ] as const)('with a queue that is %s, %s answers %i', async (status, path, expected) => {
    await using http = await openHttpApp({
      checks: { storage: ok, database: ok, providers: ok, queue: async () => ({ status }) },
    });
    const answer = await request(http.app.server).get(path).expect(expected);
    expect(answer.headers['cache-control']).toBe('no-store');
    expect(answer.headers['content-type']).toMatch(/^application\/json/);
    if (path === '/health/live') expect(answer.body).toEqual({ status: 'ok' });
    else expect(answer.body).toMatchObject({ status, version: '1.2.3', checks: { queue: { status } } });
  });
});
