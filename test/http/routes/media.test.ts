import { rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import request from 'supertest';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import type { MediaFile } from '../../../src/core/domain/image.ts';
import type { PublishedPictures } from '../../../src/core/images/published-file.ts';
import { exampleFile } from '../../support/app/fake-images.ts';
import { type HttpApp, openHttpApp } from '../../support/app/http-app.ts';
import { picturesIn } from '../../support/app/pictures-in.ts';

const bytes = Buffer.from(Array.from({ length: 1000 }, (_, index) => index % 256));
const published = new Map<string, MediaFile>();
/** Runs between finding and opening a file: the moment of a concurrent deletion. */
let afterFind: () => Promise<void>;
let lookups: string[];

let http: HttpApp;
const api = () => request(http.app.server);
const etag = () => `"${published.get('a.png')?.sha256}"`;

beforeAll(async () => {
  const watched = async (root: string): Promise<PublishedPictures> => {
    const pictures = await picturesIn(root, published);
    return {
      async find(name) {
        lookups.push(name);
        const found = await pictures.find(name);
        const hook = afterFind;
        afterFind = async () => {};
        await hook();
        return found;
      },
      makeThumbnail: (name) => pictures.makeThumbnail(name),
      open: (file, range) => pictures.open(file, range),
      read: (file) => pictures.read(file),
    };
  };
  // Without the memory cache, which hot-files.test.ts covers.
  http = await openHttpApp(async (root) => ({ pictures: await watched(root) }), { mediaCacheBytes: 0 });
});
afterAll(() => http[Symbol.asyncDispose]());
beforeEach(async () => {
  afterFind = async () => {};
  lookups = [];
  published.clear();
  await publish('a.png', bytes);
});

async function publish(name: string, content: Buffer, format: MediaFile['format'] = 'png') {
  await writeFile(join(http.root, `${name}.tmp`), content);
  await rename(join(http.root, `${name}.tmp`), join(http.root, name));
  published.set(name, exampleFile(name, content, { format }));
}

describe('a file', () => {
  test.each([
    ['a.png', 'png', 'image/png'],
    ['a.jpeg', 'jpeg', 'image/jpeg'],
    [`${'m'.repeat(128)}@4096x4096.avif`, 'avif', 'image/avif'],
    ['a.b-c_d@1200x675.webp', 'webp', 'image/webp'],
  ] as const)('%s is served with its type, its length and a strong entity tag', async (name, format, type) => {
    await publish(name, bytes, format);
    const answer = await api().get(`/media/${name}`).responseType('blob').expect(200);
    expect(answer.body).toEqual(bytes);
    expect(answer.headers).toMatchObject({
      'content-type': type,
      'content-length': '1000',
      etag: etag(),
      'accept-ranges': 'bytes',
      'x-content-type-options': 'nosniff',
    });
    expect(answer.headers['last-modified']).toBeUndefined();

    const head = await api().head(`/media/${name}`).expect(200);
    for (const header of ['content-type', 'content-length', 'etag', 'cache-control', 'accept-ranges']) {
      expect(head.headers[header]).toBe(answer.headers[header]);
    }
  });

  test.each<[string, (sha256: string) => string, string]>([
    ['nothing', () => '', 'public, max-age=300, must-revalidate'],
    ['its first 12 digits', (sha256) => `?v=${sha256.slice(0, 12)}`, 'public, max-age=31536000, immutable'],
    ['its first 11 digits', (sha256) => `?v=${sha256.slice(0, 11)}`, 'public, max-age=300, must-revalidate'],
    ['another version', () => '?v=000000000000', 'public, max-age=300, must-revalidate'],
    ['its version twice', (sha256) => `?v=${sha256.slice(0, 12)}&v=x`, 'public, max-age=300, must-revalidate'],
    ['an unknown query', () => '?w=1', 'public, max-age=300, must-revalidate'],
  ])('requested with %s has the right Cache-Control', async (_what, query, cacheControl) => {
    const answer = await api()
      .get(`/media/a.png${query(published.get('a.png')?.sha256 ?? '')}`)
      .expect(200);
    expect(answer.headers['cache-control']).toBe(cacheControl);
  });
});

describe('other paths', () => {
  const INPUT = 'a1'.repeat(32);

  beforeAll(async () => {
    await writeFile(join(http.root, 'originals', 'a~1'), 'secret');
    await writeFile(join(http.root, 'inputs', INPUT), 'secret');
    await writeFile(join(http.root, 'unpublished.png'), 'secret');
    await writeFile(join(http.root, '.hidden.png'), 'secret');
  });

  test.each([
    ['a file without a record', '/media/unpublished.png', ['unpublished.png']],
    ['an original', '/media/originals/a~1', []],
    ['an original, escaped', '/media/originals%2fa~1', []],
    ['an original, in disguise', '/media/originals%2fa~1.png', []],
    ['an input', `/media/inputs/${INPUT}`, []],
    ['an input, escaped', `/media/inputs%2f${INPUT}`, []],
    ['an input, in disguise', `/media/inputs%2f${INPUT}.png`, []],
    ['an input without its folder', `/media/${INPUT}`, []],
    ['a dotfile', '/media/.hidden.png', []],
    ['a way out', '/media/..%2f..%2fetc%2fpasswd.png', []],
    ['a way out, not escaped', '/media/../../etc/passwd', []],
    ['a way out with backslashes', '/media/..%5c..%5cetc.png', []],
    ['NUL', '/media/a%00.png', []],
    ['the folder', '/media/', []],
    ['another ending', '/media/a.gif', []],
    ['another case', '/media/A.png', []],
  ])('%s is a 404, and only names of published files are looked up', async (_what, path, expected) => {
    const answer = await http.raw(`GET ${path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n`);
    expect(answer).toMatch(/^HTTP\/1.1 404 /);
    expect(answer).toMatch(/"code":"not_found"/);
    expect(answer).not.toMatch(/secret|root:/);
    expect(lookups).toEqual(expected);
  });
});

describe('a file that changes between lookup and response', () => {
  const other = Buffer.alloc(1000, 7);

  test.each<[string, () => Promise<void>]>([
    ['deleted', () => rm(join(http.root, 'a.png'))],
    ['deleted with its record', async () => void published.clear()],
    ['shorter than its record', () => writeFile(join(http.root, 'a.png'), 'short')],
    ['longer than its record', () => writeFile(join(http.root, 'a.png'), Buffer.alloc(2000))],
    ['replaced by another of the same length', () => publish('a.png', other)],
  ])('%s: 404, without a byte of it', async (_what, change) => {
    afterFind = change;
    const answer = await api().get('/media/a.png').expect(404);
    expect(answer.headers['content-type']).toBe('application/problem+json');
    expect(answer.headers['cache-control']).toBe('no-store');
    expect(answer.headers['content-length']).toBe(String(answer.text.length));
    for (const header of ['etag', 'accept-ranges', 'content-range']) expect(answer.headers[header]).toBeUndefined();
  });

  test('deleted and published again in a loop: every answer is a 404 or one whole picture', async () => {
    const pictures = [bytes, other, Buffer.alloc(300_000, 1), Buffer.alloc(5, 2)];
    const statuses = new Set<number>();
    let asking = true;
    let served = () => {};

    const ask = async () => {
      const answer = await api().get('/media/a.png').responseType('blob');
      statuses.add(answer.status);
      if (answer.status !== 200) return;
      expect(answer.headers.etag).toBe(`"${exampleFile('', answer.body).sha256}"`);
      expect(pictures.some((picture) => picture.equals(answer.body))).toBe(true);
      served();
    };
    const askers = Promise.all(
      [1, 2, 3, 4].map(async () => {
        for (let round = 0; round < 150; round++) await ask();
      }),
    ).finally(() => {
      asking = false;
      served();
    });
    // Each picture stays until it was served once, so that its deletion races with the other requests.
    for (let round = 0; asking; round++) {
      published.delete('a.png');
      await rm(join(http.root, 'a.png'));
      const once = new Promise<void>((resolve) => {
        served = resolve;
      });
      await publish('a.png', pictures[round % pictures.length] ?? bytes);
      await Promise.race([once, askers]);
    }
    await askers;
    expect([...statuses].sort()).toEqual([200, 404]);
  });
});
