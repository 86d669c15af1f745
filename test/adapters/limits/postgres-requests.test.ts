import request from 'supertest';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createRequestCounters } from '../../../src/adapters/limits/postgres-requests.ts';
import type { RequestCounters } from '../../../src/core/ports/request-counters.ts';
import { openHttpApp } from '../../support/app/http-app.ts';
import { openReplica, type TestReplica } from '../../support/postgres/replica.ts';
import { createTestDatabase, type TestDatabase } from '../../support/postgres/shared-server.ts';
import { bearer, testKeys } from '../../support/test-keys.ts';

const LIMITS = { generate: 2, read: 3, media: null };

describe('limits of requests over replicas', () => {
  let test: TestDatabase;
  let replica: TestReplica;
  let counters: RequestCounters;

  beforeAll(async () => {
    test = await createTestDatabase();
    replica = await openReplica(test);
    counters = createRequestCounters(replica.database);
  });
  afterAll(async () => {
    await replica[Symbol.asyncDispose]();
    await test.drop();
  });

  const openApp = () => openHttpApp({ keys: testKeys(), requestCounters: counters }, { rateLimits: LIMITS });

  it('holds over two services, each limit and client by itself, with the headers of one', async () => {
    await using one = await openApp();
    await using other = await openApp();
    const get = ({ app }: typeof one, key: string) => request(app.server).get('/images').set(bearer(key));
    const { headers } = await get(one, 'blog').expect(200);
    expect(headers['ratelimit-policy']).toBe('"read";q=3;w=60');
    expect(headers.ratelimit).toMatch(/^"read";r=2;t=\d+$/);
    expect((await get(other, 'blog').expect(200)).headers.ratelimit).toMatch(/^"read";r=1;/);
    expect((await get(one, 'blog').expect(200)).headers.ratelimit).toMatch(/^"read";r=0;/);
    const refusal = await get(other, 'blog').expect(429);
    expect(Number(refusal.headers['retry-after'])).toBeGreaterThan(0);
    await get(other, 'shop').expect(200);
    await request(other.app.server)
      .post('/images')
      .set(bearer('blog'))
      .set('Prefer', 'respond-async')
      .send({ prompt: 'a lighthouse' })
      .expect(202);
  });

  it('counts requests at the same moment, and begins a window after the one before, or where the clock was set back', async () => {
    const counts = await Promise.all(Array.from({ length: 40 }, () => counters.count('many', 600_000)));
    expect(counts.map(({ current }) => current).toSorted((a, b) => a - b)).toEqual(
      Array.from({ length: 40 }, (_, index) => index + 1),
    );
    expect(counts.every(({ ttl }) => ttl > 0 && ttl <= 1_200_000)).toBe(true);
    for (const end of ["now() - interval '1 second'", "now() + interval '1 hour'"]) {
      await test.query(`UPDATE easel.request_counts SET ends_at = ${end} WHERE client = 'many'`);
      expect(await counters.count('many', 600_000)).toEqual({ current: 1, ttl: 600_000 });
    }
  });

  it('counts in each service while PostgreSQL cannot be reached, and says so once', async () => {
    const lost = await openReplica(test);
    await lost[Symbol.asyncDispose]();
    const requestCounters = createRequestCounters(lost.database);
    await using app = await openHttpApp({ keys: testKeys(), requestCounters }, { rateLimits: LIMITS });
    const get = () => request(app.app.server).get('/images').set(bearer('blog'));
    for (const left of [2, 1, 0]) expect((await get().expect(200)).headers.ratelimit).toMatch(`"read";r=${left};`);
    await get().expect(429);
    const warnings = app.log.filter(({ msg }) => String(msg).startsWith('each replica counts its own'));
    expect(warnings).toMatchObject([{ level: 40, reason: 'the connections to PostgreSQL are closed' }]);
  });
});
