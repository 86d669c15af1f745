import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import request from 'supertest';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { exampleFile } from '../../support/app/fake-images.ts';
import { type HttpApp, openHttpApp } from '../../support/app/http-app.ts';
import { picturesIn } from '../../support/app/pictures-in.ts';

const bytes = Buffer.from(Array.from({ length: 1000 }, (_, index) => index % 256));
const file = exampleFile('a.png', bytes);
const TAG = `"${file.sha256}"`;

let http: HttpApp;
const api = () => request(http.app.server);

beforeAll(async () => {
  http = await openHttpApp(async (root) => ({ pictures: await picturesIn(root, [file]) }), { mediaCacheBytes: 0 });
  await writeFile(join(http.root, file.name), bytes);
});
afterAll(() => http[Symbol.asyncDispose]());

const conditions: [string, (tag: string) => Record<string, string>, number][] = [
  ['If-None-Match its tag', (tag) => ({ 'If-None-Match': tag }), 304],
  ['If-None-Match its tag, made weak by a cache', (tag) => ({ 'If-None-Match': `W/${tag}` }), 304],
  ['If-None-Match a list with it', (tag) => ({ 'If-None-Match': `"x", W/"y",${tag}` }), 304],
  ['If-None-Match *', () => ({ 'If-None-Match': '*' }), 304],
  ['If-None-Match and Cache-Control: no-cache', (tag) => ({ 'If-None-Match': tag, 'Cache-Control': 'no-cache' }), 304],
  ['If-None-Match another', () => ({ 'If-None-Match': '"x"' }), 200],
  ['If-None-Match without quotes', (tag) => ({ 'If-None-Match': tag.replaceAll('"', '') }), 200],
  ['If-Match its tag', (tag) => ({ 'If-Match': tag }), 200],
  ['If-Match *', () => ({ 'If-Match': '*' }), 200],
  ['If-Match its tag, weak', (tag) => ({ 'If-Match': `W/${tag}` }), 412],
  ['If-Match another', () => ({ 'If-Match': '"x"' }), 412],
  ['If-Match another before If-None-Match its tag', (tag) => ({ 'If-Match': '"x"', 'If-None-Match': tag }), 412],
  [
    'If-Unmodified-Since, ignored without Last-Modified',
    () => ({ 'If-Unmodified-Since': 'Mon, 01 Jan 1990 00:00:00 GMT' }),
    200,
  ],
  [
    'If-Modified-Since, ignored without Last-Modified',
    () => ({ 'If-Modified-Since': 'Mon, 01 Jan 2990 00:00:00 GMT' }),
    200,
  ],
  ['Range', () => ({ Range: 'bytes=10-19' }), 206],
  ['a suffix range', () => ({ Range: 'bytes=-10' }), 206],
  ['Range and If-Range its tag', (tag) => ({ Range: 'bytes=10-19', 'If-Range': tag }), 206],
  ['Range and If-Range another', () => ({ Range: 'bytes=10-19', 'If-Range': '"x"' }), 200],
  ['Range and If-Range its tag, weak', (tag) => ({ Range: 'bytes=10-19', 'If-Range': `W/${tag}` }), 200],
  ['Range and If-Range a date', () => ({ Range: 'bytes=10-19', 'If-Range': 'Mon, 01 Jan 2990 00:00:00 GMT' }), 200],
  ['a suffix range longer than the file', () => ({ Range: 'bytes=-2000' }), 200],
  ['several ranges', () => ({ Range: 'bytes=0-1,5-6' }), 200],
  ['a range of another unit', () => ({ Range: 'lines=1-2' }), 200],
  ['several ranges that combine into one', () => ({ Range: 'bytes=0-5,3-8' }), 206],
  ['a malformed range beside a valid one', () => ({ Range: 'bytes=10-19,x' }), 206],
  ['Range beyond the end', () => ({ Range: 'bytes=1000-' }), 416],
  ['an empty suffix range', () => ({ Range: 'bytes=-0' }), 416],
  ['Range backwards', () => ({ Range: 'bytes=20-10' }), 416],
  ['only malformed ranges', () => ({ Range: 'bytes=x' }), 416],
];

test.each(conditions)('%s', async (_what, headers, status) => {
  for (const method of ['get', 'head'] as const) {
    // Range is defined for GET alone (RFC 9110, 14.2).
    const expected = method === 'head' && [206, 416].includes(status) ? 200 : status;
    const answer = await api()[method]('/media/a.png').set(headers(TAG)).responseType('blob').expect(expected);
    if (method === 'head' && expected === 200) expect(answer.headers['content-length']).toBe('1000');
    if (expected < 400) expect(answer.headers.etag).toBe(TAG);
    if (expected === 304) {
      expect(answer.headers['cache-control']).toBe('public, max-age=300, must-revalidate');
      expect(answer.headers['content-length']).toBeUndefined();
    }
    if (expected >= 400) {
      expect(answer.headers['content-type']).toBe('application/problem+json');
      expect(answer.headers['cache-control']).toBe('no-store');
      expect(answer.headers.etag).toBeUndefined();
    }
    if (method === 'get' && status === 200) expect(answer.body).toEqual(bytes);
  }
});

test.each([
  ['bytes=10-19', 'bytes 10-19/1000', 10, 20],
  ['bytes=990-', 'bytes 990-999/1000', 990, 1000],
  ['bytes=-10', 'bytes 990-999/1000', 990, 1000],
  ['bytes=990-5000', 'bytes 990-999/1000', 990, 1000],
  ['bytes=0-', 'bytes 0-999/1000', 0, 1000],
  ['bytes=999-', 'bytes 999-999/1000', 999, 1000],
  ['bytes=0-5,3-8', 'bytes 0-8/1000', 0, 9],
])('%s gives %s', async (range, contentRange, from, to) => {
  const answer = await api().get('/media/a.png').set('Range', range).responseType('blob').expect(206);
  expect(answer.headers['content-range']).toBe(contentRange);
  expect(answer.headers['content-length']).toBe(String(to - from));
  expect(answer.body).toEqual(bytes.subarray(from, to));
  const head = await api().head('/media/a.png').set('Range', range).expect(200);
  expect(head.headers['content-range']).toBeUndefined();
  expect(head.headers['content-length']).toBe('1000');
  for (const header of ['content-type', 'etag', 'accept-ranges']) {
    expect(head.headers[header]).toBe(answer.headers[header]);
  }
});

test('416 and 412 are problems', async () => {
  const beyond = await api().get('/media/a.png').set('Range', 'bytes=1000-').expect(416);
  expect(beyond.headers['content-range']).toBe('bytes */1000');
  expect(beyond.body).toMatchObject({ status: 416, code: 'invalid_request' });
  const other = await api().get('/media/a.png').set('If-Match', '"x"').expect(412);
  expect(other.body).toMatchObject({ status: 412, code: 'invalid_request' });
});
