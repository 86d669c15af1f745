import { readdirSync, readlinkSync } from 'node:fs';
import { rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import request from 'supertest';
import { afterAll, beforeAll, beforeEach, describe, expect, test, vi } from 'vitest';
import { ImageError } from '../../../src/core/domain/errors.ts';
import type { MediaFile } from '../../../src/core/domain/image.ts';
import type { PublishedPictures } from '../../../src/core/images/published-file.ts';
import type { ByteRange, OpenFile } from '../../../src/core/ports/media-store.ts';
import { exampleFile } from '../../support/app/fake-images.ts';
import { type HttpApp, openHttpApp } from '../../support/app/http-app.ts';
import { picturesIn } from '../../support/app/pictures-in.ts';

const bytes = Buffer.from(Array.from({ length: 1000 }, (_, index) => index % 256));
const published = new Map<string, MediaFile>();
/** Runs after a file was found, before it is opened: where a deletion can fall. */
let afterFind: () => Promise<void>;
let looked: string[];

let http: HttpApp;
const api = () => request(http.app.server);
const etag = () => `"${published.get('a.png')?.sha256}"`;

beforeAll(async () => {
  const watched = async (root: string): Promise<PublishedPictures> => {
    const pictures = await picturesIn(root, published);
    return {
      async find(name) {
        looked.push(name);
        const found = await pictures.find(name);
        const hook = afterFind;
        afterFind = async () => {};
        await hook();
        return found;
      },
      open: (file, range) => pictures.open(file, range),
      read: (file) => pictures.read(file),
    };
  };
  // Everything from disk; what is kept in memory has its own tests, in hot-files.test.ts.
  http = await openHttpApp(async (root) => ({ pictures: await watched(root) }), { mediaCacheBytes: 0 });
});
afterAll(() => http[Symbol.asyncDispose]());
beforeEach(async () => {
  afterFind = async () => {};
  looked = [];
  published.clear();
  await publish('a.png', bytes);
});

async function publish(name: string, content: Buffer, format: MediaFile['format'] = 'png') {
  await writeFile(join(http.root, `${name}.tmp`), content);
  await rename(join(http.root, `${name}.tmp`), join(http.root, name));
  published.set(name, exampleFile(name, content, { format }));
}

/** What a descriptor of this process leads to. */
function pathOf(fd: string): string {
  try {
    return readlinkSync(`/proc/self/fd/${fd}`);
  } catch {
    // The one that the folder of descriptors was read by.
    return '';
  }
}

describe('a file', () => {
  test.each([
    ['a.png', 'png', 'image/png'],
    ['a.jpeg', 'jpeg', 'image/jpeg'],
    [`${'m'.repeat(128)}@4096x4096.avif`, 'avif', 'image/avif'],
    ['a.b-c_d@1200x675.webp', 'webp', 'image/webp'],
  ] as const)('%s comes whole, with its type, its length and a strong tag', async (name, format, type) => {
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
  ])('asked for with %s says how long it keeps', async (_what, query, cacheControl) => {
    const answer = await api()
      .get(`/media/a.png${query(published.get('a.png')?.sha256 ?? '')}`)
      .expect(200);
    expect(answer.headers['cache-control']).toBe(cacheControl);
  });
});

describe('conditions', () => {
  const cases: [string, (tag: string) => Record<string, string>, number][] = [
    ['If-None-Match its tag', (tag) => ({ 'If-None-Match': tag }), 304],
    ['If-None-Match its tag, weakened by a cache', (tag) => ({ 'If-None-Match': `W/${tag}` }), 304],
    ['If-None-Match a list with it', (tag) => ({ 'If-None-Match': `"x", W/"y",${tag}` }), 304],
    ['If-None-Match *', () => ({ 'If-None-Match': '*' }), 304],
    [
      'If-None-Match and Cache-Control: no-cache',
      (tag) => ({ 'If-None-Match': tag, 'Cache-Control': 'no-cache' }),
      304,
    ],
    ['If-None-Match another', () => ({ 'If-None-Match': '"x"' }), 200],
    ['If-None-Match without quotes', (tag) => ({ 'If-None-Match': tag.replaceAll('"', '') }), 200],
    ['If-Match its tag', (tag) => ({ 'If-Match': tag }), 200],
    ['If-Match *', () => ({ 'If-Match': '*' }), 200],
    ['If-Match its tag, weak', (tag) => ({ 'If-Match': `W/${tag}` }), 412],
    ['If-Match another', () => ({ 'If-Match': '"x"' }), 412],
    ['If-Match another before If-None-Match its tag', (tag) => ({ 'If-Match': '"x"', 'If-None-Match': tag }), 412],
    [
      'If-Unmodified-Since, which it has no date for',
      () => ({ 'If-Unmodified-Since': 'Mon, 01 Jan 1990 00:00:00 GMT' }),
      200,
    ],
    [
      'If-Modified-Since, which it has no date for',
      () => ({ 'If-Modified-Since': 'Mon, 01 Jan 2990 00:00:00 GMT' }),
      200,
    ],
    ['Range', () => ({ Range: 'bytes=10-19' }), 206],
    ['Range from the end', () => ({ Range: 'bytes=-10' }), 206],
    ['Range and If-Range its tag', (tag) => ({ Range: 'bytes=10-19', 'If-Range': tag }), 206],
    ['Range and If-Range another', () => ({ Range: 'bytes=10-19', 'If-Range': '"x"' }), 200],
    ['Range and If-Range its tag, weak', (tag) => ({ Range: 'bytes=10-19', 'If-Range': `W/${tag}` }), 200],
    ['Range and If-Range a date', () => ({ Range: 'bytes=10-19', 'If-Range': 'Mon, 01 Jan 2990 00:00:00 GMT' }), 200],
    ['Range of more than there is, from the end', () => ({ Range: 'bytes=-2000' }), 200],
    ['several ranges', () => ({ Range: 'bytes=0-1,5-6' }), 200],
    ['a range of another unit', () => ({ Range: 'lines=1-2' }), 200],
    ['several ranges that join up to one', () => ({ Range: 'bytes=0-5,3-8' }), 206],
    ['a range that is not well formed beside one that is', () => ({ Range: 'bytes=10-19,x' }), 206],
    ['Range beyond the end', () => ({ Range: 'bytes=1000-' }), 416],
    ['Range of nothing, from the end', () => ({ Range: 'bytes=-0' }), 416],
    ['Range backwards', () => ({ Range: 'bytes=20-10' }), 416],
    ['no range that is well formed', () => ({ Range: 'bytes=x' }), 416],
  ];

  test.each(cases)('%s', async (_what, headers, status) => {
    for (const method of ['get', 'head'] as const) {
      const answer = await api()[method]('/media/a.png').set(headers(etag())).responseType('blob').expect(status);
      if (status < 400) expect(answer.headers.etag).toBe(etag());
      if (status === 304) {
        expect(answer.headers['cache-control']).toBe('public, max-age=300, must-revalidate');
        expect(answer.headers['content-length']).toBeUndefined();
      }
      if (status >= 400) {
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
    const head = await api().head('/media/a.png').set('Range', range).expect(206);
    for (const header of ['content-range', 'content-length', 'content-type', 'etag', 'accept-ranges']) {
      expect(head.headers[header]).toBe(answer.headers[header]);
    }
  });

  test('416 and 412 are problems of the closed list', async () => {
    const beyond = await api().get('/media/a.png').set('Range', 'bytes=1000-').expect(416);
    expect(beyond.headers['content-range']).toBe('bytes */1000');
    expect(beyond.body).toMatchObject({ status: 416, code: 'invalid_request' });
    const other = await api().get('/media/a.png').set('If-Match', '"x"').expect(412);
    expect(other.body).toMatchObject({ status: 412, code: 'invalid_request' });
  });
});

describe('an open file', () => {
  /** Answers of a store whose files are open under no descriptor, with what is open. */
  async function openRemote(readable = () => Readable.from([bytes])) {
    let open = 0;
    const file = exampleFile('a.png', bytes);
    const openFile = async (_file: MediaFile, range?: ByteRange): Promise<OpenFile> => {
      open += 1;
      let isOpen = true;
      return {
        bytes: bytes.length,
        stream: () => (range ? Readable.from([bytes.subarray(range.start, range.end + 1)]) : readable()),
        async close() {
          if (isOpen) open -= 1;
          isOpen = false;
        },
      };
    };
    const pictures = { find: async () => ({ file, owner: 'blog' }), open: openFile, read: async () => null };
    const remote = await openHttpApp({ pictures }, { mediaCacheBytes: 0 });
    return { remote, open: () => open, [Symbol.asyncDispose]: () => remote[Symbol.asyncDispose]() };
  }

  test('may be a stream from elsewhere, whole or in part, and is closed', async () => {
    await using scene = await openRemote();
    const server = scene.remote.app.server;
    const whole = await request(server).get('/media/a.png').responseType('blob').expect(200);
    expect(whole.body).toEqual(bytes);
    expect(whole.headers['content-length']).toBe('1000');
    const part = await request(server).get('/media/a.png').set('Range', 'bytes=10-19').responseType('blob').expect(206);
    expect(part.body).toEqual(bytes.subarray(10, 20));
    expect(part.headers).toMatchObject({ 'content-range': 'bytes 10-19/1000', 'content-length': '10' });
    await request(server).head('/media/a.png').expect(200);
    await vi.waitUntil(() => scene.open() === 0);
  });

  test('is closed when the client leaves in the middle', async () => {
    const endless = new Readable({ read() {} });
    await using scene = await openRemote(() => {
      endless.push(bytes.subarray(0, 10));
      return endless;
    });
    const leaving = await fetch(`http://127.0.0.1:${scene.remote.port}/media/a.png`);
    expect(scene.open()).toBe(1);
    await leaving.body?.cancel();
    await vi.waitUntil(() => scene.open() === 0);
    expect(endless.destroyed).toBe(true);
  });

  test('that cannot be opened is a fault of the service, whose folders are for the log alone', async () => {
    const file = exampleFile('a.png', bytes);
    const fault = new ImageError('storage_unavailable', 'cannot read /srv/media/a.png: too many open files (EMFILE)');
    const failing = async () => Promise.reject(fault);
    const pictures = { find: async () => ({ file, owner: 'blog' }), open: failing, read: failing };
    await using broken = await openHttpApp({ pictures });
    // The second time it would be read into memory.
    for (let asked = 0; asked < 2; asked++) {
      const answer = await request(broken.app.server).get('/media/a.png').expect(500);
      expect(answer.body).toMatchObject({ code: 'internal_error' });
      expect(answer.text).not.toContain('/srv');
      for (const header of ['etag', 'accept-ranges']) expect(answer.headers[header]).toBeUndefined();
    }
    expect(JSON.stringify(broken.log)).toContain('/srv/media/a.png');
  });

  test.runIf(process.platform === 'linux')('leaves no descriptor behind, whatever becomes of it', async () => {
    const descriptors = () => readdirSync('/proc/self/fd').filter((fd) => pathOf(fd).startsWith(http.root)).length;
    await api().get('/media/a.png').expect(200);
    await api().head('/media/a.png').expect(200);
    await api().get('/media/a.png').set('Range', 'bytes=10-19').expect(206);
    await api().get('/media/a.png').set('Range', 'bytes=1000-').expect(416);
    afterFind = async () => void published.clear();
    await api().get('/media/a.png').expect(404);
    await vi.waitUntil(() => descriptors() === 0);
  });
});

describe('what is not there', () => {
  beforeAll(async () => {
    await writeFile(join(http.root, 'originals', 'a~1'), 'secret');
    await writeFile(join(http.root, 'unpublished.png'), 'secret');
    await writeFile(join(http.root, '.hidden.png'), 'secret');
  });

  test.each([
    ['a file without a record', '/media/unpublished.png', ['unpublished.png']],
    ['an original', '/media/originals/a~1', []],
    ['an original, escaped', '/media/originals%2fa~1', []],
    ['an original, in disguise', '/media/originals%2fa~1.png', []],
    ['a dotfile', '/media/.hidden.png', []],
    ['a way out', '/media/..%2f..%2fetc%2fpasswd.png', []],
    ['a way out, not escaped', '/media/../../etc/passwd', []],
    ['a way out with backslashes', '/media/..%5c..%5cetc.png', []],
    ['NUL', '/media/a%00.png', []],
    ['the folder', '/media/', []],
    ['another ending', '/media/a.gif', []],
    ['another case', '/media/A.png', []],
  ])('%s is a 404 without a look at the disk', async (_what, path, lookups) => {
    const answer = await http.raw(`GET ${path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n`);
    expect(answer).toMatch(/^HTTP\/1.1 404 /);
    expect(answer).toMatch(/"code":"not_found"/);
    expect(answer).not.toMatch(/secret|root:/);
    expect(looked).toEqual(lookups);
  });
});

describe('a file that changes between being found and being sent', () => {
  const other = Buffer.alloc(1000, 7);

  test.each<[string, () => Promise<void>]>([
    ['deleted', () => rm(join(http.root, 'a.png'))],
    ['deleted with its record', async () => void published.clear()],
    ['shorter than its record', () => writeFile(join(http.root, 'a.png'), 'short')],
    ['longer than its record', () => writeFile(join(http.root, 'a.png'), Buffer.alloc(2000))],
    ['made again as another of the same length', () => publish('a.png', other)],
  ])('%s: 404, nothing torn', async (_what, change) => {
    afterFind = change;
    const answer = await api().get('/media/a.png').expect(404);
    expect(answer.headers['content-type']).toBe('application/problem+json');
    expect(answer.headers['cache-control']).toBe('no-store');
    expect(answer.headers['content-length']).toBe(String(answer.text.length));
    for (const header of ['etag', 'accept-ranges', 'content-range']) expect(answer.headers[header]).toBeUndefined();
  });

  test('while it is deleted and made again over and over, every answer is a 404 or one whole picture', async () => {
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
    // Each picture stays until it was served once, so that its deletion falls among the other requests for it.
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
