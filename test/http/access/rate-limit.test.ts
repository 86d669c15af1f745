import request from 'supertest';
import { describe, expect, test } from 'vitest';
import { problem } from '../../../src/api/problem.ts';
import { exampleImage } from '../../support/app/fake-images.ts';
import { openHttpApp } from '../../support/app/http-app.ts';
import { createManualClock } from '../../support/test-clock.ts';
import { bearer, testKeys } from '../../support/test-keys.ts';

const LIMITS = { generate: 2, read: 3, media: 4 };
const open = (rateLimits = LIMITS, trustProxy = false, clock = createManualClock()) =>
  openHttpApp({ keys: testKeys(), clock }, { rateLimits, trustProxy });
const body = { prompt: 'a lighthouse' };

describe('the limit of generations', () => {
  test('allows a burst of that many, then refuses with one and the same time in every header', async () => {
    const clock = createManualClock();
    await using http = await open(LIMITS, false, clock);
    const post = () =>
      request(http.app.server).post('/images').set(bearer('blog')).set('Prefer', 'respond-async').send(body);

    for (const left of [1, 0]) {
      const { headers } = await post().expect(202);
      expect(headers['ratelimit-policy']).toBe('"generate";q=2;w=60');
      expect(headers.ratelimit).toBe(`"generate";r=${left};t=60`);
    }
    clock.move(17_200);
    // A clock that is set back changes nothing.
    clock.step(-3_600_000);
    const { body: refusal, headers } = await post().expect(429);
    expect(headers).toMatchObject({
      'ratelimit-policy': '"generate";q=2;w=60',
      ratelimit: '"generate";r=0;t=43',
      'retry-after': '43',
    });
    expect(problem.parse(refusal)).toMatchObject({ code: 'rate_limited', retryAfter: 43 });
    expect(http.images.submitted).toHaveLength(2);

    // A refused request does not extend the window.
    clock.move(42_799);
    expect((await post().expect(429)).headers['retry-after']).toBe('1');
    clock.move(1);
    await post().expect(202);
  });

  test('is counted per key, whatever the address, and without unauthorized requests', async () => {
    await using http = await open();
    const post = (name: string) => request(http.app.server).post('/images').set(bearer(name)).send({});
    for (let i = 0; i < 5; i++) await post('unknown').expect(401);
    for (let i = 0; i < 5; i++) await post('viewer').expect(403);
    for (const name of ['blog', 'shop']) {
      await post(name).expect(400);
      await post(name).expect(400);
      await post(name).expect(429);
    }
  });

  test('counts a retry like a request', async () => {
    await using http = await open();
    http.images.stored.set('a', exampleImage({ mediaId: 'a', status: 'failed' }));
    const retry = () => request(http.app.server).post('/images/a/retry').set(bearer('blog')).set('Prefer', 'wait=0');
    await retry().expect(202);
    await retry().expect(409).expect('ratelimit', '"generate";r=0;t=60');
    await retry().expect(429);
    await request(http.app.server).post('/images').set(bearer('blog')).send(body).expect(429);
  });

  test('does not apply to reads, deletions and cleanups', async () => {
    await using http = await open();
    http.images.stored.set('a', exampleImage({ mediaId: 'a' }));
    const api = () => request(http.app.server);
    for (let i = 0; i < 3; i++) await api().post('/images').set(bearer('boss')).send({});
    await api().post('/images').set(bearer('boss')).send({}).expect(429);
    const { headers } = await api().get('/images/a').set(bearer('boss')).expect(200);
    expect(headers['ratelimit-policy']).toBe('"read";q=3;w=60');
    await api().delete('/images/a').set(bearer('boss')).expect(204);
    await api().post('/cleanup').set(bearer('boss')).expect(200);
    await api().get('/images').set(bearer('boss')).expect(429);
  });
});

test('pictures are counted per address, separately', async () => {
  await using http = await open();
  for (let i = 0; i < 4; i++) await request(http.app.server).get('/media/a.png').expect(404);
  await request(http.app.server).get('/media/a.png').expect(429).expect('ratelimit-policy', '"media";q=4;w=60');
  await request(http.app.server).get('/images').set(bearer('blog')).expect(200);
});

test('health, metrics and docs have no limit', async () => {
  await using http = await open({ generate: 1, read: 1, media: 1 });
  for (const path of ['/health', '/health/live', '/health/ready', '/metrics', '/openapi.json']) {
    for (let i = 0; i < 4; i++) {
      const { headers } = await request(http.app.server).get(path).expect(200);
      expect(headers).not.toHaveProperty('ratelimit');
    }
  }
});

test('without a limit there are no headers', async () => {
  await using http = await openHttpApp();
  expect((await request(http.app.server).get('/images').expect(200)).headers).not.toHaveProperty('ratelimit-policy');
});

test.each([
  ['the address of the connection, not the header, without a proxy', false, ['1.1.1.1', '2.2.2.2'], 429],
  ['the header’s address behind a proxy: different ones', true, ['1.1.1.1', '2.2.2.2'], 404],
  ['the header’s address behind a proxy: the same', true, ['1.1.1.1', '1.1.1.1'], 429],
  ['the IPv6 /64 network', true, ['2606:4700::1', '2606:4700::2'], 429],
  ['an IPv4 address, mapped to IPv6 or not', true, ['1.1.1.1', '::ffff:1.1.1.1'], 429],
])('a client without a key is counted by %s', async (_what, trustProxy, [first, second], status) => {
  await using http = await open({ ...LIMITS, media: 1 }, trustProxy);
  const get = (address = '') => request(http.app.server).get('/media/a.png').set('X-Forwarded-For', address);
  await get(first).expect(404);
  await get(second).expect(status);
});
