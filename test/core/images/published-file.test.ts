import { describe, expect, it } from 'vitest';
import { ImageError } from '../../../src/core/domain/errors.ts';
import type { Image } from '../../../src/core/domain/image.ts';
import { createPublishedPictures, UnreadableFileError } from '../../../src/core/images/published-file.ts';
import type { ByteRange, OpenFile } from '../../../src/core/ports/media-store.ts';
import { exampleFile, exampleImage } from '../../support/app/fake-images.ts';

const bytes = Buffer.from('a picture');
const file = exampleFile('a.png', bytes);
const rendition = exampleFile('a@1x1.webp', bytes, { format: 'webp' });
const thumbnail = exampleFile('a@thumb.webp', bytes, { format: 'webp' });
const image = exampleImage({ mediaId: 'a', owner: 'blog', master: file, renditions: [rendition] });

/** Published pictures over one record and one stored content; `onOpen` may change the record while the store works. */
function openScene({ record = image as Image | null, content = bytes as Buffer | null, onOpen = () => {} } = {}) {
  const scene = { record, opened: 0, closed: 0, ranges: [] as (ByteRange | undefined)[] };
  const pictures = createPublishedPictures({
    records: {
      async get(mediaId) {
        return mediaId === scene.record?.mediaId ? scene.record : null;
      },
    },
    store: {
      async open(_name, range): Promise<OpenFile | null> {
        onOpen();
        if (content === null) return null;
        scene.opened += 1;
        scene.ranges.push(range);
        return {
          bytes: content.length,
          stream: () => expect.unreachable(),
          async close() {
            scene.closed += 1;
          },
        };
      },
      async read() {
        onOpen();
        return content;
      },
    },
    ensureThumbnail: async (mediaId) => (mediaId === scene.record?.mediaId ? thumbnail : null),
  });
  return { scene, pictures };
}

describe('find', () => {
  it.each([
    ['a.png', file],
    ['a@1x1.webp', rendition],
  ])('gives the file named %s and its owner', async (name, found) => {
    expect(await openScene().pictures.find(name)).toEqual({ file: found, content: found, owner: 'blog' });
  });

  it('gives the thumbnail bound to the master, also before it is made', async () => {
    const content = { name: 'a@thumb.webp', sha256: file.sha256 };
    expect(await openScene().pictures.find('a@thumb.webp')).toEqual({ file: null, content, owner: 'blog' });
    const { pictures } = openScene({ record: { ...image, thumbnail } });
    expect(await pictures.find('a@thumb.webp')).toEqual({ file: thumbnail, content, owner: 'blog' });
    expect(await pictures.makeThumbnail('a@thumb.webp')).toEqual(thumbnail);
    expect(await pictures.makeThumbnail('b@thumb.webp')).toBeNull();
  });

  it.each([
    'a.webp',
    'a@2x2.webp',
    'b.png',
    'a',
    '',
    'originals/a~1',
    '../a.png',
    '@1x1.webp',
    'b@thumb.webp',
    'a@thumb.png',
    '@thumb.webp',
  ])('gives null for the name %j', async (name) => {
    expect(await openScene().pictures.find(name)).toBeNull();
  });

  it.each(['queued', 'generating', 'processing', 'failed', 'cancelled'] as const)(
    'gives null for an image that is %s',
    async (status) => {
      expect(await openScene({ record: { ...image, status } }).pictures.find('a.png')).toBeNull();
    },
  );
});

describe('open and read', () => {
  it('give the file that was found, which the caller closes', async () => {
    const { scene, pictures } = openScene();
    expect((await pictures.open(file, { start: 1, end: 2 }))?.bytes).toBe(bytes.length);
    expect(scene).toMatchObject({ opened: 1, closed: 0, ranges: [{ start: 1, end: 2 }] });
    expect(await pictures.read(file)).toBe(bytes);
  });

  it('give null for a file that is missing', async () => {
    const { pictures } = openScene({ content: null });
    expect(await pictures.open(file)).toBeNull();
    expect(await pictures.read(file)).toBeNull();
  });

  it.each<[string, Image | null, Buffer]>([
    ['deleted', null, bytes],
    ['generated again', { ...image, status: 'processing' }, bytes],
    ['replaced by another file of the same size', { ...image, master: { ...file, sha256: 'f'.repeat(64) } }, bytes],
    ['of another size than its record', image, Buffer.from('another')],
  ])('give null, and close the file, when it turns out to be %s', async (_what, changed, content) => {
    const { scene, pictures } = openScene({
      content,
      onOpen() {
        scene.record = changed;
      },
    });
    expect(await pictures.open(file)).toBeNull();
    expect(scene).toMatchObject({ opened: 1, closed: 1 });
    scene.record = image;
    expect(await pictures.read(file)).toBeNull();
  });

  it('raise the fault of the records as it is, and close the file', async () => {
    const { scene, pictures } = openScene();
    const locked = new ImageError('storage_unavailable', 'the database is locked');
    Object.defineProperty(scene, 'record', {
      get() {
        throw locked;
      },
    });
    await expect(pictures.open(file)).rejects.toBe(locked);
    await expect(pictures.read(file)).rejects.toBe(locked);
    expect(scene).toMatchObject({ opened: 1, closed: 1 });
  });

  it('raise an error without the path when the store cannot read the file', async () => {
    const fault = new ImageError('storage_unavailable', 'cannot read /srv/media/a.png: EMFILE');
    const { pictures } = openScene({
      onOpen() {
        throw fault;
      },
    });
    const unreadable = new UnreadableFileError('a.png cannot be read', { cause: fault });
    await expect(pictures.open(file)).rejects.toStrictEqual(unreadable);
    await expect(pictures.read(file)).rejects.toStrictEqual(unreadable);
  });
});
