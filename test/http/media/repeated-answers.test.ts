import { subscribe, unsubscribe } from 'node:diagnostics_channel';
import { rename, writeFile } from 'node:fs/promises';
import { connect } from 'node:net';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { ImageError } from '../../../src/core/domain/errors.ts';
import type { MediaFile } from '../../../src/core/domain/image.ts';
import { createFileUrls } from '../../../src/core/domain/record.ts';
import type { PublishedPictures } from '../../../src/core/images/published-file.ts';
import type { AppConfig, AppServices } from '../../../src/http/app.ts';
import { exampleFile } from '../../support/app/fake-images.ts';
import { type HttpApp, openHttpApp } from '../../support/app/http-app.ts';
import { picturesIn } from '../../support/app/pictures-in.ts';
import { until } from '../../support/until.ts';

const bytes = Buffer.from(Array.from({ length: 1000 }, (_, index) => (index * 7) % 128));
const published = new Map<string, MediaFile>();
/** Runs after each look-up of a picture. */
let afterFind: () => Promise<void>;

/** How often the app has run a handler of its own. */
let handled = 0;
const onHandler = () => {
  handled += 1;
};
beforeEach(() => {
  published.clear();
  afterFind = async () => {};
  handled = 0;
  subscribe('tracing:fastify.request.handler:start', onHandler);
});
afterEach(() => void unsubscribe('tracing:fastify.request.handler:start', onHandler));

/** An app that publishes `a.png` and `b.webp`. */
async function openApp(services: Partial<AppServices> = {}, config: Partial<AppConfig> = {}): Promise<HttpApp> {
  const http = await openHttpApp(async (root) => {
    const pictures = await picturesIn(root, published);
    const watched: PublishedPictures = {
      async find(name) {
        const found = await pictures.find(name);
        await afterFind();
        return found;
      },
      makeThumbnail: (name) => pictures.makeThumbnail(name),
      open: (file, range) => pictures.open(file, range),
      read: (file) => pictures.read(file),
    };
    return { pictures: watched, ...services };
  }, config);
  await publish(http, 'a.png', bytes);
  await publish(http, 'b.webp', bytes.subarray(1), 'webp');
  return http;
}

async function publish(http: HttpApp, name: string, content: Buffer, format: MediaFile['format'] = 'png') {
  await writeFile(join(http.root, `${name}.tmp`), content);
  await rename(join(http.root, `${name}.tmp`), join(http.root, name));
  published.set(name, exampleFile(name, content, { format }));
}

const get = (path: string, ...headers: readonly string[]) =>
  `GET ${path} HTTP/1.1\r\n${['Host: x', ...headers, 'Connection: close'].join('\r\n')}\r\n\r\n`;
const tagOf = (name: string) => `If-None-Match: "${published.get(name)?.sha256}"`;
/** An answer without what differs each time. */
const constant = (answer: string) =>
  answer.replace(/^date: .*$/gim, 'date').replace(/^x-request-id: .{36}\r$/gim, 'id');
const status = (answer: string) => Number(/^HTTP\/1\.1 (\d+)/.exec(answer)?.[1]);
const requestLines = ({ log }: HttpApp) => log.filter(({ msg }) => msg === 'request');
const lineOf = ({ requestId: _, time: __, ms, ...line }: Record<string, unknown>) => ({ ...line, ms: typeof ms });

/** Has the app answer from memory, and with 304: both are repeated from now on. Gives its answers. */
async function warm(http: HttpApp, path: string, name: string, ...headers: readonly string[]) {
  await http.raw(get(path, ...headers));
  const answers = [await http.raw(get(path, ...headers)), await http.raw(get(path, tagOf(name), ...headers))];
  await until(() => requestLines(http).length === 3);
  const lines = requestLines(http).slice(1);
  http.log.length = 0;
  handled = 0;
  return { answers, lines };
}

test.each([
  ['a master', '/media/a.png', 'a.png', []],
  ['a URL with its version', '/media/b.webp?v=VERSION', 'b.webp', []],
  ['a URL with another query', '/media/a.png?w=1', 'a.png', []],
  ['an escaped name', '/media/%61.png', 'a.png', []],
  ['an id of its own', '/media/a.png', 'a.png', ['X-Request-Id: order-42']],
  ['headers that change nothing', '/media/a.png', 'a.png', ['Accept: */*', 'Cookie: a=b', 'Authorization: Bearer x']],
])(
  'a repeated request with %s is answered, logged and counted as by the app, without it',
  async (_what, url, name, headers) => {
    await using http = await openApp({}, { corsOrigins: ['https://example.org'] });
    const path = url.replace('VERSION', published.get(name)?.sha256.slice(0, 12) ?? '');
    const byApp = await warm(http, path, name, ...headers);
    const repeated = [await http.raw(get(path, ...headers)), await http.raw(get(path, tagOf(name), ...headers))];
    expect(handled).toBe(0);
    expect(repeated.map(status)).toEqual([200, 304]);
    expect(repeated.map(constant)).toEqual(byApp.answers.map(constant));
    await until(() => requestLines(http).length === 2);
    expect(requestLines(http).map(lineOf)).toEqual(byApp.lines.map(lineOf));
    const ids = repeated.map((answer) => /^x-request-id: (.*)\r$/im.exec(answer)?.[1]);
    expect(requestLines(http).map(({ requestId }) => requestId)).toEqual(ids);
    const metrics = await http.raw(get('/metrics'));
    expect(metrics).toMatch(/duration_seconds_count\{method="GET",route="\/media\/:file",status="200"\} 3$/m);
    expect(metrics).toMatch(/duration_seconds_count\{method="GET",route="\/media\/:file",status="304"\} 2$/m);
  },
);

test.each([
  ['HEAD', () => get('/media/a.png').replace('GET', 'HEAD'), 200],
  ['a range', () => get('/media/a.png', 'Range: bytes=1-2'), 206],
  ['a range of another version', () => get('/media/a.png', 'Range: bytes=1-2', 'If-Range: "x"'), 200],
  ['If-Match', () => get('/media/a.png', 'If-Match: "x"'), 412],
  ['an origin', () => get('/media/a.png', 'Origin: https://example.org'), 200],
  ['another entity tag', () => get('/media/a.png', 'If-None-Match: "x"'), 200],
  ['a list of entity tags', () => get('/media/a.png', `${tagOf('a.png')}, "x"`), 304],
  ['a body', () => get('/media/a.png', 'Content-Length: 1').concat('x'), 200],
  ['HTTP/1.0', () => get('/media/a.png').replace('1.1', '1.0'), 200],
])('a request with %s is for the app', async (_what, request, expected) => {
  await using http = await openApp({}, { corsOrigins: ['https://example.org'] });
  await warm(http, '/media/a.png', 'a.png');
  const answer = await http.raw(request());
  expect(status(answer)).toBe(expected);
  expect(handled).toBeGreaterThan(0);
  expect(/^access-control-allow-origin/im.test(answer)).toBe(request().includes('Origin'));
});

test.each([
  ['a method that is not taken', () => get('/media/a.png').replace('GET', 'PUT')],
  ['two Host headers', () => get('/media/a.png', 'Host: y')],
  ['a coded body', () => get('/media/a.png', 'Content-Encoding: gzip')],
])('a request with %s is refused by the app', async (_what, request) => {
  await using http = await openApp();
  await warm(http, '/media/a.png', 'a.png');
  expect(status(await http.raw(request()))).toBeGreaterThanOrEqual(400);
});

test('a picture that was deleted is gone at once, and a new one under its name is served at once', async () => {
  await using http = await openApp();
  await warm(http, '/media/a.png', 'a.png');
  const old = tagOf('a.png');
  published.delete('a.png');
  expect(status(await http.raw(get('/media/a.png')))).toBe(404);
  expect(status(await http.raw(get('/media/a.png', old)))).toBe(404);
  await publish(http, 'a.png', Buffer.from('new'));
  for (let turn = 0; turn < 4; turn += 1) {
    expect((await http.raw(get('/media/a.png', old))).split('\r\n\r\n')[1]).toBe('new');
  }
});

test('a look-up that fails is answered by the app', async () => {
  await using http = await openApp();
  await warm(http, '/media/a.png', 'a.png');
  afterFind = async () => {
    throw new ImageError('storage_unavailable', 'the database cannot be read');
  };
  expect(status(await http.raw(get('/media/a.png')))).toBe(503);
  await until(() => requestLines(http).length === 1);
  expect(requestLines(http)[0]).toMatchObject({ status: 503, code: 'storage_unavailable' });
});

test('a client that leaves during the look-up is logged once, with status 499', async () => {
  await using http = await openApp();
  await warm(http, '/media/a.png', 'a.png');
  const found = Promise.withResolvers<void>();
  const looksUp = Promise.withResolvers<void>();
  afterFind = async () => {
    looksUp.resolve();
    await found.promise;
  };
  const socket = connect(http.port, '127.0.0.1');
  socket.write(get('/media/a.png'));
  await looksUp.promise;
  socket.destroy();
  await until(() => requestLines(http).length === 1);
  found.resolve();
  await http.raw(get('/media/b.webp'));
  await until(() => requestLines(http).length === 2);
  expect(requestLines(http).map((line) => line.status)).toEqual([499, 200]);
});

test('while the service stops, each answer closes its connection', async () => {
  let stopping = false;
  await using http = await openApp({ stopping: () => stopping });
  await warm(http, '/media/a.png', 'a.png');
  stopping = true;
  const answer = await http.raw(get('/media/a.png').replace('Connection: close\r\n', ''));
  expect(answer).toMatch(/^connection: close\r$/im);
  expect(handled).toBe(1);
});

test.each<[string, Partial<AppServices>, Partial<AppConfig>]>([
  ['private', { links: { urls: createFileUrls(null), secondsLeft: () => 60 } }, {}],
  ['limited', {}, { rateLimits: { generate: null, read: null, media: 100 } }],
  ['not kept in memory', {}, { mediaCacheBytes: 0 }],
])('every request for pictures that are %s is for the app', async (_what, services, config) => {
  await using http = await openApp(services, config);
  await warm(http, '/media/a.png', 'a.png');
  expect(status(await http.raw(get('/media/a.png')))).toBe(200);
  expect(handled).toBe(1);
});
