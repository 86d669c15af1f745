import request from 'supertest';
import { afterEach, describe, expect, test, vi } from 'vitest';
import { problem } from '../../../src/api/problem.ts';
import { exampleImage } from '../../support/app/fake-images.ts';
import { openHttpApp } from '../../support/app/http-app.ts';
import { bearer, testKeys } from '../../support/test-keys.ts';

const LIMITS = { generate: 2, read: 3, media: 4 };
const open = (rateLimits = LIMITS, trustProxy = false) => openHttpApp({ keys: testKeys() }, { rateLimits, trustProxy });
const order = { prompt: 'a lighthouse' };

afterEach(() => vi.useRealTimers());

describe('the limit of generations', () => {
  test('lets that many through at once, then says when to come back, by one instant in every place', async () => {
    // The time of day only: what sockets wait by goes on.
    vi.useFakeTimers({ toFake: ['Date'], now: new Date('2026-11-23T16:00:00Z') });
    await using http = await open();
    const post = () =>
      request(http.app.server).post('/images').set(bearer('blog')).set('Prefer', 'respond-async').send(order);

    for (const left of [1, 0]) {
      const { headers } = await post().expect(202);
      expect(headers['ratelimit-policy']).toBe('"generate";q=2;w=60');
      expect(headers.ratelimit).toBe(`"generate";r=${left};t=60`);
    }
    vi.setSystemTime(new Date('2026-11-23T16:00:17.200Z'));
    const { body, headers } = await post().expect(429);
    expect(headers).toMatchObject({
      'ratelimit-policy': '"generate";q=2;w=60',
      ratelimit: '"generate";r=0;t=43',
      'retry-after': '43',
    });
    expect(problem.parse(body)).toMatchObject({ code: 'rate_limited', retryAfter: 43 });
    expect(http.images.submitted).toHaveLength(2);

    // Those who come too early do not put it off.
    vi.setSystemTime(new Date('2026-11-23T16:00:59.999Z'));
    expect((await post().expect(429)).headers['retry-after']).toBe('1');
    vi.setSystemTime(new Date('2026-11-23T16:01:00.000Z'));
    await post().expect(202);
  });

  test('is each key’s own, whatever its address, and is not used up by those who are not let in', async () => {
    await using http = await open();
    const post = (name: string) => request(http.app.server).post('/images').set(bearer(name)).send({});
    for (let i = 0; i < 5; i++) await post('nobody').expect(401);
    for (let i = 0; i < 5; i++) await post('viewer').expect(403);
    for (const name of ['blog', 'shop']) {
      await post(name).expect(400);
      await post(name).expect(400);
      await post(name).expect(429);
    }
  });

  test('does not hold up reading, cancelling, deleting or cleaning up', async () => {
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

test('pictures are counted by address, apart from the rest', async () => {
  await using http = await open();
  for (let i = 0; i < 4; i++) await request(http.app.server).get('/media/a.png').expect(404);
  await request(http.app.server).get('/media/a.png').expect(429).expect('ratelimit-policy', '"media";q=4;w=60');
  await request(http.app.server).get('/images').set(bearer('blog')).expect(200);
});

test('health, metrics and docs are outside of every limit', async () => {
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
  ['the address of the connection, whatever the header says', false, ['1.1.1.1', '2.2.2.2'], 429],
  ['the header’s address behind a proxy: another one', true, ['1.1.1.1', '2.2.2.2'], 404],
  ['the header’s address behind a proxy: the same', true, ['1.1.1.1', '1.1.1.1'], 429],
  ['one network of IPv6, which one client has to itself', true, ['2606:4700::1', '2606:4700::2'], 429],
  ['an address of IPv4 in either form', true, ['1.1.1.1', '::ffff:1.1.1.1'], 429],
])('who comes without a key is known by %s', async (_what, trustProxy, [first, second], status) => {
  await using http = await open({ ...LIMITS, media: 1 }, trustProxy);
  const get = (address = '') => request(http.app.server).get('/media/a.png').set('X-Forwarded-For', address);
  await get(first).expect(404);
  await get(second).expect(status);
});
