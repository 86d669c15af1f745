import { pino } from 'pino';
import { describe, expect, it } from 'vitest';
import { DamagedOriginalError } from '../../../src/core/domain/errors.ts';
import { sha256 } from '../../../src/core/domain/file-names.ts';
import type { Image } from '../../../src/core/domain/image.ts';
import { createEnsureThumbnail } from '../../../src/core/pipeline/thumbnails.ts';
import { exampleFile, exampleImage } from '../../support/app/fake-images.ts';

const SMALL = Buffer.from('a small picture');
const original = { ...exampleFile('originals/x~1', Buffer.from('original')), sound: true };
const image = exampleImage({ mediaId: 'x', original });

/** One image of an older Easel, whose files are in memory; `onMade` runs between the making and the publishing. */
function scene({ contentNames = false, lost = [] as string[], onMade = () => {}, canMake = true } = {}) {
  const stored: { image: Image | null } = { image };
  const files = new Map<string, Uint8Array>([
    ['originals/x~1', Buffer.from('original')],
    ['x.png', Buffer.from('master')],
  ]);
  for (const name of lost) files.delete(name);
  const made: string[] = [];
  let disposed = 0;
  const dispose = () => {
    disposed += 1;
  };
  const ensure = createEnsureThumbnail({
    records: {
      get: async () => stored.image,
      async update(_mediaId, change) {
        stored.image = stored.image && (change(stored.image) ?? stored.image);
        return stored.image;
      },
    },
    store: {
      read: async (name) => files.get(name) ?? null,
      async publish(sources) {
        for (const source of sources) if ('bytes' in source) files.set(source.name, Buffer.from(source.bytes));
      },
      async remove(names) {
        for (const name of names) files.delete(name);
      },
    },
    imaging: {
      async thumbnail(read, _spec, hash) {
        const bytes = await read();
        if (sha256(bytes) !== hash) throw new DamagedOriginalError('other bytes');
        if (!canMake) throw new Error('no memory');
        made.push(Buffer.from(bytes).toString());
        onMade();
        const size = { width: 480, height: 274, format: 'webp' } as const;
        return { ...size, bytes: SMALL, sha256: sha256(SMALL), [Symbol.dispose]: () => dispose() };
      },
    },
    contentNames,
    log: pino({ level: 'silent' }),
  });
  return { ensure, stored, files, made, disposed: () => disposed };
}

describe('the thumbnail of an image that has none', () => {
  it('is made once for all who ask, published and recorded', async () => {
    const { ensure, stored, files, made, disposed } = scene();
    const [one, other] = await Promise.all([ensure('x'), ensure('x')]);
    const file = exampleFile('x@thumb.webp', SMALL, { width: 480, height: 274, format: 'webp' });
    expect([one, other, stored.image?.thumbnail]).toEqual([file, file, file]);
    expect(await ensure('x')).toEqual(file);
    expect([made, disposed(), files.get('x@thumb.webp')]).toEqual([['original'], 1, SMALL]);
  });

  it('is stored under a name with its checksum where several processes publish', async () => {
    const { ensure, files } = scene({ contentNames: true });
    const file = await ensure('x');
    expect([file?.name, file?.stored]).toEqual(['x@thumb.webp', `x@thumb~${sha256(SMALL).slice(0, 16)}.webp`]);
    expect(files.has(file?.stored ?? '')).toBe(true);
  });

  it('is made of the master where the original is lost', async () => {
    const { ensure, made } = scene({ lost: ['originals/x~1'] });
    expect((await ensure('x'))?.name).toBe('x@thumb.webp');
    expect(made).toEqual(['master']);
  });

  it.each([
    ['the files are gone', { lost: ['originals/x~1', 'x.png'] }],
    ['the machine fails', { canMake: false }],
  ])('raises storage_unavailable where %s, and is tried again', async (_, change) => {
    const { ensure, stored } = scene(change);
    for (const _again of [1, 2]) await expect(ensure('x')).rejects.toMatchObject({ code: 'storage_unavailable' });
    expect(stored.image).toEqual(image);
  });

  it.each<[string, Image | null]>([
    ['deleted', null],
    ['made again', { ...image, master: exampleFile('x.png', Buffer.from('another')) }],
    ['requested again', { ...image, status: 'queued', run: 2 }],
  ])('is not published for an image that is %s meanwhile', async (_, next) => {
    const opened = scene({
      onMade() {
        opened.stored.image = next;
      },
    });
    expect(await opened.ensure('x')).toBeNull();
    expect([opened.stored.image, opened.files.has('x@thumb.webp')]).toEqual([next, false]);
  });
});

it.each([
  ['unfinished', { status: 'processing', master: null }],
  ['failed', { status: 'failed', master: null }],
] as const)('an image that is %s gets none', async (_, change) => {
  const { ensure, stored, made } = scene();
  stored.image = { ...image, ...change };
  expect([await ensure('x'), made]).toEqual([null, []]);
});
