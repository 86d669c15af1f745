import { connect } from 'node:net';
import { afterEach, describe, expect, test } from 'vitest';
import type { AppConfig, AppServices } from '../../../src/http/app.ts';
import { findKey, parseKeys } from '../../../src/security/api-keys.ts';
import { exampleImage } from '../../support/app/fake-images.ts';
import { type HttpApp, openHttpApp } from '../../support/app/http-app.ts';
import { openEventStream } from '../../support/network/event-stream.ts';
import { createTestClock } from '../../support/test-clock.ts';
import { bearer, TEST_KEYS } from '../../support/test-keys.ts';

let http: HttpApp;
afterEach(() => http[Symbol.asyncDispose]());

async function open(services: Partial<AppServices> = {}, config: Partial<AppConfig> = {}) {
  const clock = createTestClock({ skipMs: 0 });
  http = await openHttpApp({ clock, ...services }, config);
  return { clock, url: `http://127.0.0.1:${http.port}/events` };
}

const isSubscribed = () => http.images.events.areAllListened();

test('the stream begins at once with an id, has every kind of event, and the record as the route gives it', async () => {
  const { url } = await open();
  await using stream = await openEventStream(url);
  expect(stream.response.status).toBe(200);
  expect(Object.fromEntries(stream.response.headers)).toMatchObject({
    'content-type': 'text/event-stream',
    'cache-control': 'no-cache, no-transform',
    'x-accel-buffering': 'no',
    connection: 'close',
  });
  const first = await stream.nextFrame();
  expect(first).toEqual({ retry: '1000', id: expect.any(String) });

  const unfinished = { completedAt: null, master: null, renditions: [] };
  http.images.settle('x', { status: 'queued', ...unfinished });
  expect(await stream.next()).toMatchObject({ event: 'created', data: { mediaId: 'x', status: 'queued' } });
  http.images.settle('x', { status: 'generating' });
  const status = await stream.next();
  expect(status).toMatchObject({ event: 'status', data: { mediaId: 'x', status: 'generating' } });
  expect(status?.data).not.toHaveProperty('prompt');
  using call = http.images.events.openPartials({ mediaId: 'x', owner: 'anonymous' });
  call.sink(Buffer.from('picture'), 0);
  expect(await stream.next()).toMatchObject({
    event: 'partial',
    data: { mediaId: 'x', index: 0, base64: Buffer.from('picture').toString('base64') },
  });
  http.images.settle('x', exampleImage({ mediaId: 'x' }));
  const done = await stream.next();
  const record = await (await fetch(url.replace('/events', '/images/x'))).json();
  expect(done).toMatchObject({ event: 'done', data: record });
  http.images.settle('x', { thumbhash: 'changed' });
  expect(await stream.next()).toMatchObject({ event: 'changed', data: { mediaId: 'x', thumbhash: 'changed' } });
  http.images.forget('x');
  expect(await stream.next()).toMatchObject({ event: 'deleted', data: { mediaId: 'x' } });

  // Each id resumes after its own event, that of the first frame before all.
  await using fromDone = await openEventStream(url, done?.id);
  expect((await fromDone.next())?.event).toBe('changed');
  await using fromFirst = await openEventStream(url, first?.id);
  expect((await fromFirst.next())?.event).toBe('created');
  await using unknown = await openEventStream(url, 'of-another-process.3.0');
  expect(await unknown.next()).toMatchObject({ event: 'reset', data: { reason: 'unknown_id' } });
});

test('a comment is sent after every 15 s without an event', async () => {
  const { url, clock } = await open();
  await using stream = await openEventStream(url);
  await stream.nextFrame();
  for (let beat = 0; beat < 2; beat++) {
    await expect.poll(() => clock.sleepers).toBe(1);
    clock.advance(15_000);
    expect(await stream.nextFrame()).toEqual({ comment: 'nothing new' });
  }
});

test('a HEAD does not subscribe', async () => {
  const { url } = await open();
  expect((await fetch(url, { method: 'HEAD' })).status).toBe(405);
  expect(isSubscribed()).toBe(false);
});

describe('a client', () => {
  test('is one of 100, all of which receive the same', async () => {
    const { url } = await open();
    const streams = await Promise.all(Array.from({ length: 100 }, () => openEventStream(url)));
    await Promise.all(streams.map((stream) => stream.nextFrame()));
    http.images.settle('x', {});
    const events = await Promise.all(streams.map((stream) => stream.next()));
    expect(new Set(events.map((event) => JSON.stringify(event))).size).toBe(1);
    await Promise.all(streams.map((stream) => stream[Symbol.asyncDispose]()));
  });

  test('that does not read gets reset when it reads again, and does not slow down the others or the stop', async () => {
    const { url } = await open();
    const stalled = connect(http.port, '127.0.0.1').pause();
    stalled.on('error', () => {});
    stalled.write('GET /events HTTP/1.1\r\nHost: x\r\n\r\n');
    await expect.poll(isSubscribed).toBe(true);
    await using quick = await openEventStream(url);
    await quick.nextFrame();
    // More than the buffers of a socket hold, and more than the history keeps.
    const request = { ...exampleImage().request, metadata: { text: 'x'.repeat(50_000) } };
    for (let count = 0; count < 400; count++) {
      http.images.settle('x', { request, thumbhash: `t${count}` });
      expect((await quick.next())?.data?.thumbhash).toBe(`t${count}`);
    }
    let text = '';
    stalled.on('data', (chunk) => {
      text = `${text}${chunk.toString('latin1')}`.slice(-200_000);
    });
    stalled.resume();
    await expect.poll(() => text.includes('event: reset\ndata: {"reason":"events_missed"}')).toBe(true);
    http.images.settle('y', {});
    await expect.poll(() => text.includes('"mediaId":"y"')).toBe(true);
    stalled.destroy();
  });

  test('whose key is withdrawn gets no further event, and the stream ends', async () => {
    let keys = parseKeys(TEST_KEYS).keys;
    const { url } = await open({ keys: { inUse: true, find: (secret) => findKey(keys, secret) } });
    await using stays = await openEventStream(url, undefined, bearer('boss'));
    await using goes = await openEventStream(url, undefined, bearer('desk'));
    await Promise.all([stays.nextFrame(), goes.nextFrame()]);
    http.images.settle('x', {});
    expect((await goes.next())?.event).toBe('created');
    keys = keys.filter(({ name }) => name !== 'desk');
    http.images.settle('x', { thumbhash: 'later' });
    expect(await goes.rest()).toEqual([]);
    expect(await stays.next()).toMatchObject({ event: 'created' });
    expect(await stays.next()).toMatchObject({ event: 'changed' });
  });

  test('needs a key with the scope read', async () => {
    const { keys } = parseKeys(TEST_KEYS);
    const { url } = await open({ keys: { inUse: true, find: (secret) => findKey(keys, secret) } });
    const statusWith = async (headers: Readonly<Record<string, string>>) => (await fetch(url, { headers })).status;
    expect(await statusWith({})).toBe(401);
    expect(await statusWith(bearer('maker'))).toBe(403);
    expect(isSubscribed()).toBe(false);
  });

  test('of a page of another origin may send its key and Last-Event-ID, by fetch', async () => {
    const origin = 'https://app.example';
    const { url } = await open({}, { corsOrigins: [origin] });
    const preflight = await fetch(url, {
      method: 'OPTIONS',
      headers: {
        origin,
        'access-control-request-method': 'GET',
        'access-control-request-headers': 'authorization,last-event-id',
      },
    });
    expect([preflight.status, preflight.headers.get('access-control-allow-origin')]).toEqual([204, origin]);
    const allowed = preflight.headers.get('access-control-allow-headers')?.split(/, */);
    expect(allowed).toEqual(expect.arrayContaining(['authorization', 'last-event-id']));
    await using stream = await openEventStream(url, undefined, { origin });
    expect(stream.response.headers.get('access-control-allow-origin')).toBe(origin);
  });
});
