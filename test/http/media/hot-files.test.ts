import { rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import request from 'supertest';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import type { MediaFile } from '../../../src/core/domain/image.ts';
import { createHotFiles } from '../../../src/http/media/hot-files.ts';
import { startEasel } from '../../support/app/easel.ts';
import { exampleFile } from '../../support/app/fake-images.ts';
import { type HttpApp, openHttpApp } from '../../support/app/http-app.ts';
import { picturesIn } from '../../support/app/pictures-in.ts';

const CACHE_BYTES = 10_000;
const bytes = Buffer.from(Array.from({ length: 1000 }, (_, index) => index % 256));

let http: HttpApp;
let published: Map<string, MediaFile>;
const api = () => request(http.app.server);

beforeEach(async () => {
  published = new Map();
  http = await openHttpApp(async (root) => ({ pictures: await picturesIn(root, published) }), {
    mediaCacheBytes: CACHE_BYTES,
  });
});
afterEach(() => http[Symbol.asyncDispose]());

async function publish(name: string, content: Buffer): Promise<MediaFile> {
  await writeFile(join(http.root, `${name}.tmp`), content);
  await rename(join(http.root, `${name}.tmp`), join(http.root, name));
  const file = exampleFile(name, content);
  published.set(name, file);
  return file;
}

/** Brings `/media/a.png` into the cache and removes its file, so that from now on only the cache can serve it. */
async function warm(content = bytes): Promise<void> {
  await publish('a.png', content);
  for (let asked = 0; asked < 2; asked++) await api().get('/media/a.png').expect(200);
  await rm(join(http.root, 'a.png'));
  await api().get('/media/a.png').expect(200);
}

describe('a cached file', () => {
  const version = exampleFile('a.png', bytes).sha256.slice(0, 12);
  test.each<[string, string, string, Record<string, string>]>([
    ['whole', 'get', '', {}],
    ['by HEAD', 'head', '', {}],
    ['with its version', 'get', `?v=${version}`, {}],
    ['with another version', 'get', '?v=000000000000', {}],
    ['when it is another', 'get', '', { 'If-None-Match': '"x"' }],
    ['when it is the same', 'get', '', { 'If-None-Match': `"${exampleFile('a.png', bytes).sha256}"` }],
    ['by HEAD when it is the same', 'head', '', { 'If-None-Match': '*' }],
    ['when it is no other', 'get', '', { 'If-Match': '"x"' }],
    ['in part', 'get', '', { Range: 'bytes=10-19' }],
    ['by HEAD in part', 'head', '', { Range: 'bytes=10-19' }],
    ['in part when it is the same', 'get', '', { Range: 'bytes=10-19', 'If-Range': '"x"' }],
    ['from beyond its end', 'get', '', { Range: 'bytes=1000-' }],
    ['in several parts', 'get', '', { Range: 'bytes=0-1,5-6' }],
  ])('requested %s has the same answer as from disk', async (_what, method, query, headers) => {
    await publish('a.png', bytes);
    const ask = async () => {
      const send = method === 'head' ? api().head(`/media/a.png${query}`) : api().get(`/media/a.png${query}`);
      const answer = await send.set(headers).responseType('blob');
      const { date: _date, 'x-request-id': _id, ...compared } = answer.headers;
      const problem = answer.status >= 400;
      return { status: answer.status, headers: compared, body: problem ? null : answer.body };
    };
    const fromDisk = await ask();
    for (let asked = 0; asked < 2; asked++) await api().get('/media/a.png').expect(200);
    expect(await ask()).toEqual(fromDisk);
  });

  test('is not read again', async () => {
    await warm();
    const answer = await api().get('/media/a.png').responseType('blob').expect(200);
    expect(answer.body).toEqual(bytes);
  });

  test('is a 404 once its record is gone', async () => {
    await warm();
    published.clear();
    await api().get('/media/a.png').expect(404);
  });

  test('is the new one once it was published again', async () => {
    await warm();
    const other = Buffer.alloc(1000, 7);
    await publish('a.png', other);
    for (let asked = 0; asked < 3; asked++) {
      const answer = await api().get('/media/a.png').responseType('blob').expect(200);
      expect(answer.body).toEqual(other);
    }
  });
});

describe('the cache', () => {
  const hot = async () => createHotFiles(await picturesIn(http.root, published), CACHE_BYTES);

  test('takes a file at its second request', async () => {
    const file = await publish('a.png', bytes);
    const { bytesOf } = await hot();
    expect(await bytesOf(file)).toBeNull();
    expect(await bytesOf(file)).toEqual(bytes);
  });

  test('evicts the least recently used file when it is full', async () => {
    const files = await Promise.all([1, 2, 3, 4, 5, 6].map((fill) => publish(`${fill}.png`, Buffer.alloc(1900, fill))));
    const { bytesOf } = await hot();
    for (const file of [...files, ...files]) await bytesOf(file);
    for (const { name } of files) await rm(join(http.root, name));
    const kept = await Promise.all(files.map(async (file) => (await bytesOf(file)) !== null));
    expect(kept).toEqual([false, true, true, true, true, true]);
  });

  test('takes no file larger than a quarter of it', async () => {
    const file = await publish('a.png', Buffer.alloc(CACHE_BYTES / 4 + 1));
    const { bytesOf } = await hot();
    for (let asked = 0; asked < 3; asked++) expect(await bytesOf(file)).toBeNull();
  });

  test.each<[string, () => Promise<unknown>]>([
    ['deleted', () => rm(join(http.root, 'a.png'))],
    ['deleted with its record', async () => published.clear()],
    ['cut short', () => writeFile(join(http.root, 'a.png'), 'short')],
    ['replaced by another of the same length', () => publish('a.png', Buffer.alloc(1000, 7))],
  ])('takes no file that was %s while it was read', async (_what, change) => {
    const file = await publish('a.png', bytes);
    const { bytesOf } = await hot();
    await bytesOf(file);
    await change();
    expect(await bytesOf(file)).toBeNull();
  });
});

test('a popular picture that is deleted and made again is never served in its old version', async () => {
  await using easel = await startEasel();
  const ask = async () => {
    const answer = await easel.get('/media/a.png');
    return { status: answer.status, tag: answer.headers.get('etag') };
  };
  for (const prompt of ['a lighthouse', 'a harbour', 'a lighthouse']) {
    const { body } = await easel.post({ mediaId: 'a', prompt });
    const current = { status: 200, tag: `"${body.sha256}"` };
    for (let asked = 0; asked < 4; asked++) expect(await ask()).toEqual(current);
    await fetch(`${easel.url}/images/a`, { method: 'DELETE' });
    expect((await ask()).status).toBe(404);
  }
});
