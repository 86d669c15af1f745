import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { EventSource } from 'undici';
import { afterEach, describe, expect, test } from 'vitest';
import { exampleImage } from '../../../support/app/fake-images.ts';
import { type HttpApp, openHttpApp } from '../../../support/app/http-app.ts';
import { openEventStream } from '../../../support/network/event-stream.ts';
import { createTestClock } from '../../../support/test-clock.ts';

const RUNNING = { status: 'generating', completedAt: null, master: null, renditions: [] } as const;

let http: HttpApp;
afterEach(() => http[Symbol.asyncDispose]());

async function open(clock = createTestClock({ skipMs: 0 })) {
  http = await openHttpApp({ clock });
  http.images.settle('x', RUNNING);
  return { clock, url: `http://127.0.0.1:${http.port}/images/x/events` };
}

const isSubscribed = () => http.images.events.wantsPartials('x');
const publish = (bytes: Uint8Array, index: number) => {
  using call = http.images.events.openPartials({ mediaId: 'x', owner: 'anonymous' });
  call.sink(bytes, index);
};

test('a stream has the headers for clients and proxies, and ends with the record', async () => {
  const { url } = await open();
  await using stream = await openEventStream(url);
  expect(stream.response.status).toBe(200);
  expect(Object.fromEntries(stream.response.headers)).toMatchObject({
    'content-type': 'text/event-stream',
    'cache-control': 'no-cache, no-transform',
    'x-accel-buffering': 'no',
    connection: 'close',
  });
  expect(await stream.nextFrame()).toEqual({ retry: '1000' });
  expect(await stream.next()).toMatchObject({ event: 'status', data: { mediaId: 'x', status: 'generating' } });
  publish(Buffer.from('picture'), 0);
  expect(await stream.next()).toMatchObject({
    event: 'partial',
    data: { mediaId: 'x', index: 0, base64: Buffer.from('picture').toString('base64') },
  });
  http.images.settle('x', exampleImage({ mediaId: 'x' }));
  const rest = await stream.rest();
  expect(rest.map(({ event }) => event)).toEqual(['status', 'done']);
  expect(rest[1]?.data).toEqual(await (await fetch(url.replace('/events', ''))).json());
});

test('a comment is sent after every 15 s without an event, by the clock of the service', async () => {
  const { url, clock } = await open();
  await using stream = await openEventStream(url);
  await stream.next();
  for (let beat = 0; beat < 3; beat++) {
    await expect.poll(() => clock.sleepers).toBe(1);
    clock.advance(14_000);
    expect(clock.sleepers).toBe(1);
    clock.advance(1_000);
    expect(await stream.nextFrame()).toEqual({ comment: 'nothing new' });
  }
});

test('an unknown image is a 404, and a HEAD does not subscribe', async () => {
  const { url } = await open();
  const missing = await fetch(url.replace('/x/', '/y/'));
  expect([missing.status, missing.headers.get('content-type')]).toEqual([404, 'application/problem+json']);
  expect((await fetch(url, { method: 'HEAD' })).status).toBe(405);
  expect(await isSubscribed()).toBe(false);
});

test('an EventSource receives the end once, and does not reconnect a second time', async () => {
  const { url } = await open();
  const source = new EventSource(url);
  const seen: string[] = [];
  for (const type of ['status', 'partial', 'done']) {
    source.addEventListener(type, (event) => {
      seen.push(`${type} ${JSON.parse((event as MessageEvent).data).status}`);
    });
  }
  await once(source, 'status');
  http.images.settle('x', exampleImage({ mediaId: 'x' }));
  await once(source, 'done');
  // The stream has ended, so it reconnects after `retry`; the 204 tells it to stop.
  await expect.poll(() => source.readyState).toBe(EventSource.CLOSED);
  expect(seen).toEqual(['status generating', 'status succeeded', 'done succeeded']);
  expect(http.log.filter(({ route }) => route === '/images/:mediaId/events').map(({ status }) => status)).toEqual([
    200, 204,
  ]);
});

describe('a client', () => {
  test('that disconnects is unsubscribed', async () => {
    const { url, clock } = await open();
    const stream = await openEventStream(url);
    await stream.next();
    await expect.poll(() => clock.sleepers).toBe(1);
    expect(await isSubscribed()).toBe(true);
    await stream[Symbol.asyncDispose]();
    await expect.poll(async () => [await isSubscribed(), clock.sleepers]).toEqual([false, 0]);
  });

  test('is one of 300, and all receive the same events', async () => {
    const { url } = await open();
    const streams = await Promise.all(Array.from({ length: 300 }, () => openEventStream(url)));
    await Promise.all(streams.map((stream) => stream.next()));
    publish(Buffer.alloc(20_000), 0);
    const partials = await Promise.all(streams.map((stream) => stream.next()));
    expect(new Set(partials.map((event) => `${event?.id} ${event?.event}`)).size).toBe(1);
    http.images.settle('x', exampleImage({ mediaId: 'x' }));
    const ends = await Promise.all(streams.map((stream) => stream.rest()));
    expect(new Set(ends.map((events) => events.map(({ event }) => event).join()))).toEqual(new Set(['status,done']));
    expect(await isSubscribed()).toBe(false);
  });

  /** Connects, and reads nothing until it is resumed. */
  async function stalledClient(): Promise<Socket> {
    const socket = connect(http.port, '127.0.0.1').pause();
    socket.write('GET /images/x/events HTTP/1.1\r\nHost: x\r\n\r\n');
    await expect.poll(isSubscribed).toBe(true);
    return socket;
  }

  const PARTIALS = 24;
  const PARTIAL_BYTES = 1024 * 1024;

  /** Publishes many large partial pictures, as fast as another client reads them. */
  async function flood(url: string, partials: number) {
    await using quick = await openEventStream(url);
    await quick.next();
    for (let index = 0; index < partials; index++) {
      publish(Buffer.alloc(PARTIAL_BYTES, index), index);
      expect(await quick.next()).toMatchObject({ data: { index } });
    }
  }

  test('that does not read skips partial pictures, and does not slow down the others', async () => {
    const { url } = await open();
    const stalled = await stalledClient();
    await flood(url, PARTIALS);
    http.images.settle('x', exampleImage({ mediaId: 'x' }));

    // It receives only what was buffered: the socket's buffers and one or two partial pictures of 24.
    let received = 0;
    let end = '';
    stalled.on('data', (chunk) => {
      received += chunk.length;
      end = `${end}${chunk.toString('latin1')}`.slice(-10_000);
    });
    await once(stalled.resume(), 'end');
    expect(end).toContain('event: done');
    expect(received).toBeLessThan(15 * 1024 * 1024);
    await expect.poll(isSubscribed).toBe(false);
  });

  test('that does not read does not delay the stop of the service', async () => {
    const { url } = await open();
    const stalled = await stalledClient();
    stalled.on('error', () => {});
    await flood(url, PARTIALS / 2);
    await http.app.close();
    await expect.poll(isSubscribed).toBe(false);
    stalled.destroy();
  });
});
