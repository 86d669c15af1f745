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

const ROOM = 10_000;
const bytes = Buffer.from(Array.from({ length: 1000 }, (_, index) => index % 256));

let http: HttpApp;
let published: Map<string, MediaFile>;
const api = () => request(http.app.server);

beforeEach(async () => {
  published = new Map();
  http = await openHttpApp(async (root) => ({ pictures: await picturesIn(root, published) }), {
    mediaCacheBytes: ROOM,
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

/** Has `/media/a.png` served from memory from now on: without its file it could not be had otherwise. */
async function warm(content = bytes): Promise<void> {
  await publish('a.png', content);
  for (let asked = 0; asked < 2; asked++) await api().get('/media/a.png').expect(200);
  await rm(join(http.root, 'a.png'));
  await api().get('/media/a.png').expect(200);
}

describe('a file in memory', () => {
  const version = exampleFile('a.png', bytes).sha256.slice(0, 12);
  test.each<[string, string, string, Record<string, string>]>([
    ['whole', 'get', '', {}],
    ['its head', 'head', '', {}],
    ['for ever', 'get', `?v=${version}`, {}],
    ['with another version', 'get', '?v=000000000000', {}],
    ['when it is another', 'get', '', { 'If-None-Match': '"x"' }],
    ['when it is the same', 'get', '', { 'If-None-Match': `"${exampleFile('a.png', bytes).sha256}"` }],
    ['its head when it is the same', 'head', '', { 'If-None-Match': '*' }],
    ['when it is no other', 'get', '', { 'If-Match': '"x"' }],
    ['in part', 'get', '', { Range: 'bytes=10-19' }],
    ['the head of a part', 'head', '', { Range: 'bytes=10-19' }],
    ['in part when it is the same', 'get', '', { Range: 'bytes=10-19', 'If-Range': '"x"' }],
    ['from beyond its end', 'get', '', { Range: 'bytes=1000-' }],
    ['in several parts', 'get', '', { Range: 'bytes=0-1,5-6' }],
  ])('asked for %s gets the answer that the disk would give', async (_what, method, query, headers) => {
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

  test('is read no more', async () => {
    await warm();
    const answer = await api().get('/media/a.png').responseType('blob').expect(200);
    expect(answer.body).toEqual(bytes);
  });

  test('is not there any more once its record is gone', async () => {
    await warm();
    published.clear();
    await api().get('/media/a.png').expect(404);
  });

  test('is the new one once it was made again', async () => {
    await warm();
    const other = Buffer.alloc(1000, 7);
    await publish('a.png', other);
    for (let asked = 0; asked < 3; asked++) {
      const answer = await api().get('/media/a.png').responseType('blob').expect(200);
      expect(answer.body).toEqual(other);
    }
  });
});

describe('what is kept', () => {
  const hot = async () => createHotFiles(await picturesIn(http.root, published), ROOM);

  test('what was asked for once is not, what was asked for twice is', async () => {
    const file = await publish('a.png', bytes);
    const { bytesOf } = await hot();
    expect(await bytesOf(file)).toBeNull();
    expect(await bytesOf(file)).toEqual(bytes);
  });

  test('no more than there is room for, and what was not asked for longest goes first', async () => {
    const files = await Promise.all([1, 2, 3, 4, 5, 6].map((fill) => publish(`${fill}.png`, Buffer.alloc(1900, fill))));
    const { bytesOf } = await hot();
    for (const file of [...files, ...files]) await bytesOf(file);
    for (const { name } of files) await rm(join(http.root, name));
    const kept = await Promise.all(files.map(async (file) => (await bytesOf(file)) !== null));
    expect(kept).toEqual([false, true, true, true, true, true]);
  });

  test('no file that would take more than a quarter of the room', async () => {
    const file = await publish('a.png', Buffer.alloc(ROOM / 4 + 1));
    const { bytesOf } = await hot();
    for (let asked = 0; asked < 3; asked++) expect(await bytesOf(file)).toBeNull();
  });

  test.each<[string, () => Promise<unknown>]>([
    ['deleted', () => rm(join(http.root, 'a.png'))],
    ['deleted with its record', async () => published.clear()],
    ['cut short', () => writeFile(join(http.root, 'a.png'), 'short')],
    ['made again as another of the same length', () => publish('a.png', Buffer.alloc(1000, 7))],
  ])('no file that was %s while it was being read', async (_what, change) => {
    const file = await publish('a.png', bytes);
    const { bytesOf } = await hot();
    await bytesOf(file);
    await change();
    expect(await bytesOf(file)).toBeNull();
  });
});

test('a picture of the whole service that is popular, deleted and made again is never the old one', async () => {
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
