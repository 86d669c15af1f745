import { createHash, randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { writeFile } from 'node:fs/promises';
import { connect, type Socket } from 'node:net';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { DEFAULT_TIMEOUTS, type Timeouts } from '../../../src/http/connections/timeouts.ts';
import { exampleFile } from '../../support/app/fake-images.ts';
import { type HttpApp, openHttpApp } from '../../support/app/http-app.ts';
import { picturesIn } from '../../support/app/pictures-in.ts';

const SHORT_TIMEOUTS: Timeouts = { ...DEFAULT_TIMEOUTS, headersMs: 150, requestMs: 300, checkIntervalMs: 50 };

/** Opens a connection, sends `head`, then `drips` at intervals. */
function dripping({ port }: HttpApp, head: string, drips = '', everyMs = 20): Socket {
  const socket = connect(port, '127.0.0.1');
  socket.on('error', () => undefined);
  socket.write(head);
  if (drips !== '') {
    const timer = setInterval(() => socket.write(drips), everyMs);
    socket.once('close', () => clearInterval(timer));
  }
  return socket;
}

async function readAll(socket: Socket): Promise<string> {
  let text = '';
  socket.on('data', (chunk) => {
    text += chunk;
  });
  await once(socket, 'close');
  return text;
}

describe('a slow client', () => {
  const post = 'POST /images HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n';
  test.each([
    ['headers', 'GET /health HTTP/1.1\r\nHost: x\r\n', 'X-A: b\r\n', 408],
    ['nothing after the first line', 'GET /health HTTP/1.1\r\n', '', 408],
    ['a body', `${post}Content-Length: 100000\r\n\r\n{`, ' ', 408],
    [
      'a multipart body',
      `${post.replace('application/json', 'multipart/form-data; boundary=x')}Content-Length: 100000\r\n\r\n--x\r\n`,
      'A',
      408,
    ],
    ['chunks', `${post}Transfer-Encoding: chunked\r\n\r\n`, '1\r\n \r\n', 408],
  ])('that drips %s gets a 408 and is disconnected', async (_what, head, drips, status) => {
    await using http = await openHttpApp({}, {}, { timeouts: SHORT_TIMEOUTS });
    const answer = await readAll(dripping(http, head, drips));
    expect(answer).toMatch(new RegExp(`^HTTP/1.1 ${status} `));
    expect(answer).toContain('application/problem+json');
  });

  test('that sends no second request is disconnected', async () => {
    await using http = await openHttpApp({}, {}, { timeouts: { ...DEFAULT_TIMEOUTS, idleMs: 100 } });
    const answer = await readAll(dripping(http, 'GET /health HTTP/1.1\r\nHost: x\r\n\r\n'));
    expect(answer).toMatch(/^HTTP\/1.1 200 /);
  });

  test('that stops reading a picture is disconnected, and one that waits for its image is not', async () => {
    const bytes = randomBytes(32 * 1024 * 1024);
    await using http = await openHttpApp(
      async (root) => ({ pictures: await picturesIn(root, [exampleFile('a.png', bytes)]) }),
      {},
      { timeouts: { ...DEFAULT_TIMEOUTS, stalledMs: 300 } },
    );
    await writeFile(join(http.root, 'a.png'), bytes);
    const waiting = fetch(`http://127.0.0.1:${http.port}/images`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: '{"prompt":"a","mediaId":"slow"}',
    });

    const closed = new Promise<void>((resolve) => {
      http.app.server.on('connection', (socket) => socket.once('close', () => resolve()));
    });
    const stalled = dripping(http, 'GET /media/a.png HTTP/1.1\r\nHost: x\r\n\r\n');
    stalled.pause();
    await closed;
    stalled.destroy();

    http.images.settle('slow', { status: 'succeeded' });
    expect((await waiting).status).toBe(201);
  });
});

test('hundreds of slow connections do not delay other clients', async () => {
  const bytes = randomBytes(100_000);
  await using http = await openHttpApp(async (root) => ({
    pictures: await picturesIn(root, [exampleFile('a.png', bytes)]),
  }));
  await writeFile(join(http.root, 'a.png'), bytes);
  const slow = Array.from({ length: 400 }, (_, at) =>
    dripping(
      http,
      at % 2 ? 'GET / HTTP/1.1\r\nX-A: ' : 'POST /images HTTP/1.1\r\nHost: x\r\nContent-Length: 9999\r\n\r\n',
      'a',
    ),
  );
  try {
    await Promise.all(slow.map((socket) => once(socket, 'connect')));
    for (let round = 0; round < 5; round++) {
      const answer = await fetch(`http://127.0.0.1:${http.port}/media/a.png`);
      const got = Buffer.from(await answer.arrayBuffer());
      expect(createHash('sha256').update(got).digest('hex')).toBe(exampleFile('', bytes).sha256);
    }
  } finally {
    for (const socket of slow) socket.destroy();
  }
});
