import { once } from 'node:events';
import { writeFile } from 'node:fs/promises';
import { ServerResponse } from 'node:http';
import { connect } from 'node:net';
import { join } from 'node:path';
import request from 'supertest';
import { expect, test } from 'vitest';
import { DEFAULT_TIMEOUTS } from '../../../src/http/connections/timeouts.ts';
import { exampleFile } from '../../support/app/fake-images.ts';
import { openHttpApp } from '../../support/app/http-app.ts';
import { picturesIn } from '../../support/app/pictures-in.ts';
import { until } from '../../support/until.ts';

test('while the service stops, new work is refused, and each answer closes its connection', async () => {
  let stopping = false;
  await using http = await openHttpApp({ stopping: () => stopping });
  const api = () => request(http.app.server);
  http.images.settle('a', {});
  stopping = true;

  // A route that nobody has thought of is refused as well.
  for (const path of ['/images', '/images/a/retry', '/cleanup']) {
    const answer = await api().post(path).send({ prompt: 'a' }).expect(503);
    expect(answer.body).toMatchObject({ code: 'shutting_down', retryAfter: 5 });
    expect(answer.headers['retry-after']).toBe('5');
  }
  const read = await api().get('/images/a').expect(200);
  expect(read.headers.connection).toBe('close');
  expect(http.images.submitted).toEqual([]);
});

test('while the service stops, everything else is served: reads, previews, changes, cancelling, deleting and redelivering', async () => {
  let stopping = false;
  await using http = await openHttpApp({ stopping: () => stopping }, { corsOrigins: ['https://a.example'] });
  const api = () => request(http.app.server);
  http.images.settle('a', {});
  stopping = true;

  await api().get('/health').expect(200);
  await api().get('/health/live').expect(200);
  await api().get('/health/ready').expect(503);
  await api().head('/images/a').expect(200);
  for (const path of ['/images', '/presets', '/usage', '/metrics']) await api().get(path).expect(200);
  await api().post('/images/preview').send({ prompt: 'a' }).expect(200);
  await api().post('/images/a/cancel').expect(200);
  await api()
    .patch('/images/a')
    .send({ labels: ['b'] })
    .expect(200);
  const redelivered = await api().post('/images/a/deliveries/x/redeliver').expect(404);
  expect(redelivered.body.detail).toBe('there is no such delivery');
  await api().delete('/images/a').expect(204);
  // A web page asks this before it reads with a key.
  const preflight = { origin: 'https://a.example', 'access-control-request-method': 'GET' };
  await api().options('/images/a').set(preflight).expect(204);
});

/** The head and the body of a POST, to be sent separately. */
function post(body: string): [string, string] {
  const head = `POST /images HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: ${body.length}`;
  return [head, `\r\n\r\n${body}`];
}

test('closing waits for a request that is being answered, and refuses one that was still arriving', async () => {
  await using http = await openHttpApp();
  const waiting = http.raw(...post('{"prompt":"a","mediaId":"a"}'));
  await until(() => http.images.waits.length === 1);
  const [head, body] = post('{"prompt":"b","mediaId":"b"}');
  const sending = connect(http.port, '127.0.0.1');
  const connected = once(http.app.server, 'connection');
  sending.write(head);
  await connected;
  // Node counts the connection as idle, and closes it, until it has begun to read the head.
  await request(http.app.server).get('/health/live');

  const closed = http.app.close();
  sending.write(body);
  const [answer] = await once(sending, 'data');
  expect(String(answer)).toMatch(/^HTTP\/1.1 503 .*"code":"shutting_down"/s);
  expect(http.images.submitted).toHaveLength(1);

  http.images.settle('a', { status: 'succeeded' });
  expect(await waiting).toMatch(/^HTTP\/1.1 201 /);
  await closed;
});

test.each([
  ['sends nothing', ''],
  ['stops in the middle of a head', 'GET /health HTTP/1.1\r\nHo'],
  ['stops in the middle of a body', `${post('{"prompt":"a"}')[0]}\r\n\r\n{`],
])('closing does not wait for a client that %s, but for one that is being answered', async (_what, sent) => {
  await using http = await openHttpApp({}, {}, { timeouts: { ...DEFAULT_TIMEOUTS, drainIntervalMs: 50 } });
  const waiting = http.raw(...post('{"prompt":"a","mediaId":"a"}'));
  await until(() => http.images.waits.length === 1);
  const silent = connect(http.port, '127.0.0.1').on('error', () => undefined);
  const connected = once(http.app.server, 'connection');
  silent.write(sent);
  await connected;
  // By this answer, the server has read what was sent before.
  await request(http.app.server).get('/health/live');

  const closed = http.app.close();
  await once(silent, 'close');
  http.images.settle('a', { status: 'succeeded' });
  expect(await waiting).toMatch(/^HTTP\/1.1 201 /);
  await closed;
});

test('closing does not wait for a connection whose answer was being sent at the stop and has ended since', async () => {
  const bytes = Buffer.alloc(32 * 1024 * 1024, 'x');
  await using http = await openHttpApp(
    async (root) => ({ pictures: await picturesIn(root, [exampleFile('a.png', bytes)]) }),
    {},
    { timeouts: { ...DEFAULT_TIMEOUTS, drainIntervalMs: 20 } },
  );
  await writeFile(join(http.root, 'a.png'), bytes);
  /** How often it was looked at whether the answer has ended. */
  let looks = 0;
  http.app.server.once('request', (_request, answer: ServerResponse) => {
    Object.defineProperty(answer, 'writableFinished', {
      get() {
        looks += 1;
        return Reflect.get(ServerResponse.prototype, 'writableFinished', this);
      },
    });
  });
  const slow = connect(http.port, '127.0.0.1').on('error', () => undefined);
  slow.write('GET /media/a.png HTTP/1.1\r\nHost: x\r\n\r\n');
  await once(slow, 'readable');
  const closed = http.app.close();
  // Several intervals pass before the client reads on.
  const before = looks;
  await until(() => looks > before + 3);
  let received = 0;
  slow.on('data', (chunk) => {
    received += chunk.length;
  });
  await once(slow, 'close');
  expect(received).toBeGreaterThan(bytes.length);
  await closed;
});

test('closing cuts off what is still being answered after a while', async () => {
  await using http = await openHttpApp({}, {}, { timeouts: { ...DEFAULT_TIMEOUTS, closeMs: 50 } });
  const waiting = http.raw(...post('{"prompt":"a","mediaId":"a"}'));
  await until(() => http.images.waits.length === 1);
  await http.app.close();
  expect(await waiting).toBe('');
});
