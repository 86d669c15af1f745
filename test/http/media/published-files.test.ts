import { readdirSync, readlinkSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { connect } from 'node:net';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import request from 'supertest';
import { describe, expect, test, vi } from 'vitest';
import { ImageError } from '../../../src/core/domain/errors.ts';
import type { MediaFile } from '../../../src/core/domain/image.ts';
import { createPublishedPictures } from '../../../src/core/images/published-file.ts';
import type { ByteRange, OpenFile } from '../../../src/core/ports/media-store.ts';
import { exampleFile, exampleImage } from '../../support/app/fake-images.ts';
import { openHttpApp } from '../../support/app/http-app.ts';
import { picturesIn } from '../../support/app/pictures-in.ts';
import { until } from '../../support/until.ts';

const bytes = Buffer.from(Array.from({ length: 1000 }, (_, index) => index % 256));
const file = exampleFile('a.png', bytes);
const image = exampleImage({ mediaId: 'a', owner: 'blog', master: file, renditions: [] });

describe('a stream without a descriptor', () => {
  /** An app whose store opens files as streams without a file descriptor, and the number of open files. */
  async function openRemote(readable = () => Readable.from([bytes])) {
    let open = 0;
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
    const find = async () => ({ file, content: file, owner: 'blog' });
    const pictures = { find, makeThumbnail: async () => null, open: openFile, read: async () => null };
    const remote = await openHttpApp({ pictures }, { mediaCacheBytes: 0 });
    return { remote, open: () => open, [Symbol.asyncDispose]: () => remote[Symbol.asyncDispose]() };
  }

  test('is served whole or in part, and its file is closed', async () => {
    await using scene = await openRemote();
    const server = scene.remote.app.server;
    const whole = await request(server).get('/media/a.png').responseType('blob').expect(200);
    expect(whole.body).toEqual(bytes);
    expect(whole.headers['content-length']).toBe('1000');
    const part = await request(server).get('/media/a.png').set('Range', 'bytes=10-19').responseType('blob').expect(206);
    expect(part.body).toEqual(bytes.subarray(10, 20));
    expect(part.headers).toMatchObject({ 'content-range': 'bytes 10-19/1000', 'content-length': '10' });
    await request(server).head('/media/a.png').expect(200);
    await until(() => scene.open() === 0);
  });

  test('is destroyed, and its file closed, when the client disconnects in the middle', async () => {
    const endless = new Readable({ read() {} });
    await using scene = await openRemote(() => {
      endless.push(bytes.subarray(0, 10));
      return endless;
    });
    const leaving = await fetch(`http://127.0.0.1:${scene.remote.port}/media/a.png`);
    expect(scene.open()).toBe(1);
    await leaving.body?.cancel();
    await until(() => scene.open() === 0);
    expect(endless.destroyed).toBe(true);
  });
});

describe('a fault', () => {
  /** Number of the request at which the memory cache reads a file. */
  const CACHED_AT = 2;

  test('of the store is a 503 with Retry-After, and its path is logged but not sent', async () => {
    let reads = 0;
    const fault = new ImageError('storage_unavailable', 'cannot read /srv/media/a.png: too many open files (EMFILE)');
    const failing = async () => {
      reads += 1;
      throw fault;
    };
    const pictures = createPublishedPictures({
      records: { get: async () => image },
      store: { open: failing, read: failing },
      ensureThumbnail: failing,
    });
    await using broken = await openHttpApp({ pictures });
    for (let asked = 1; asked <= CACHED_AT; asked++) {
      const answer = await request(broken.app.server).get('/media/a.png').expect(503);
      expect(answer.body).toMatchObject({ code: 'storage_unavailable', detail: 'a.png cannot be read' });
      expect(answer.headers['retry-after']).toBe('10');
      // A store that does not answer is waited for once.
      expect(reads).toBe(asked);
      expect(answer.text).not.toContain('/srv');
      for (const header of ['etag', 'accept-ranges']) expect(answer.headers[header]).toBeUndefined();
    }
    expect(JSON.stringify(broken.log)).toContain('/srv/media/a.png');
  });

  test.each([
    ['opened', 1],
    ['read into the memory cache', CACHED_AT],
  ])('of the records once the file is %s is a 503 with Retry-After', async (_what, asked) => {
    let lookups = 0;
    const close = vi.fn(async () => undefined);
    const pictures = createPublishedPictures({
      records: {
        async get() {
          lookups += 1;
          // Every request looks the file up twice: to find it, and once it is open.
          if (lookups < 2 * asked) return image;
          throw new ImageError('storage_unavailable', 'the database is locked', { retryAfterSeconds: 5 });
        },
      },
      store: {
        open: async () => ({ bytes: bytes.length, stream: () => Readable.from([bytes]), close }),
        read: async () => bytes,
      },
      ensureThumbnail: async () => null,
    });
    await using locked = await openHttpApp({ pictures });
    for (let earlier = 1; earlier < asked; earlier++) await request(locked.app.server).get('/media/a.png').expect(200);
    const answer = await request(locked.app.server).get('/media/a.png').expect(503);
    expect(answer.body).toMatchObject({ code: 'storage_unavailable', detail: 'the database is locked' });
    expect(answer.headers['retry-after']).toBe('5');
    expect(lookups).toBe(2 * asked);
    expect(close).toHaveBeenCalledTimes(1);
  });
});

test('a file that is missing or was just replaced is a 404 that says so', async () => {
  await using http = await openHttpApp(async (root) => ({ pictures: await picturesIn(root, [file]) }));
  const detail = 'the file of this picture is missing or was just replaced';
  const lost = await request(http.app.server).get('/media/a.png').expect(404);
  expect(lost.body).toMatchObject({ code: 'not_found', detail });
  await writeFile(join(http.root, 'a.png'), 'another');
  const replaced = await request(http.app.server).get('/media/a.png').expect(404);
  expect(replaced.body).toMatchObject({ code: 'not_found', detail });
});

test.runIf(process.platform === 'linux')('no descriptor stays open, whatever the answer', async () => {
  const large = Buffer.alloc(32 * 1024 * 1024, 'x');
  const published = new Map([file, exampleFile('large.png', large)].map((file) => [file.name, file]));
  /** Runs between finding and opening a file. */
  let afterFind = () => {};
  await using http = await openHttpApp(
    async (root) => {
      const pictures = await picturesIn(root, published);
      return {
        pictures: {
          async find(name) {
            const found = await pictures.find(name);
            afterFind();
            return found;
          },
          makeThumbnail: (name: string) => pictures.makeThumbnail(name),
          open: (file, range) => pictures.open(file, range),
          read: (file) => pictures.read(file),
        },
      };
    },
    { mediaCacheBytes: 0 },
  );
  await writeFile(join(http.root, 'a.png'), bytes);
  await writeFile(join(http.root, 'large.png'), large);
  const get = () => request(http.app.server).get('/media/a.png');
  const openFiles = () =>
    readdirSync('/proc/self/fd')
      .map(pathOf)
      .filter((path) => path.startsWith(http.root));

  await get().expect(200);
  await request(http.app.server).head('/media/a.png').expect(200);
  await get().set('Range', 'bytes=10-19').expect(206);
  await get().set('Range', 'bytes=1000-').expect(416);
  await until(() => openFiles().length === 0);

  // The client leaves while the descriptor is read: far more is left than the buffers of the connection hold.
  const leaving = connect(http.port, '127.0.0.1');
  leaving.write('GET /media/large.png HTTP/1.1\r\nHost: x\r\n\r\n');
  await new Promise((resolve) => leaving.once('data', resolve));
  leaving.pause();
  expect(openFiles()).toEqual([join(http.root, 'large.png')]);
  leaving.destroy();
  await until(() => openFiles().length === 0);

  afterFind = () => published.clear();
  await get().expect(404);
  await until(() => openFiles().length === 0);
});

/** The path of an open file descriptor of this process; empty for one that is closed by now. */
function pathOf(fd: string): string {
  try {
    return readlinkSync(`/proc/self/fd/${fd}`);
  } catch {
    // The descriptor by which /proc/self/fd itself was read.
    return '';
  }
}
