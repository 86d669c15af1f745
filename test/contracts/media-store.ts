import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { ByteRange, FileSource, MediaStore, OpenFile, StoredFile } from '../../src/core/ports/media-store.ts';

interface MediaStoreFixture {
  open(): Promise<MediaStore>;
  /** Deletes everything that the fixture created. */
  dispose(): Promise<void>;
}

/** What every media store promises; each adapter runs it with a fixture that starts empty. */
export function describeMediaStore(name: string, createFixture: () => Promise<MediaStoreFixture>): void {
  describe(`${name} keeps the contract of a media store`, () => {
    let fixture: MediaStoreFixture;
    let store: MediaStore;

    beforeEach(async () => {
      fixture = await createFixture();
      store = await fixture.open();
    });

    afterEach(() => fixture.dispose());

    const stored = async (): Promise<Readonly<Record<string, string | undefined>>> => {
      const files = await listed(store);
      const contents = await Promise.all(files.map(async ({ name: file }) => [file, await text(store, file)] as const));
      return Object.fromEntries(contents);
    };

    it('reads back by name what was put, also after it is reopened', async () => {
      const large = new Uint8Array(3_000_001).map((_, index) => index * 7);
      await store.put('a.b-c@12x34.webp', large);
      await store.put('originals/a~1f', bytes('original'));
      await store.put('inputs/0af1', bytes('input'));
      await store.put('empty.png', bytes(''));
      store = await fixture.open();
      expect(Buffer.compare((await store.read('a.b-c@12x34.webp')) ?? bytes(''), large)).toBe(0);
      expect(await text(store, 'originals/a~1f')).toBe('original');
      expect(await text(store, 'inputs/0af1')).toBe('input');
      expect(await text(store, 'empty.png')).toBe('');
      expect(await store.read('none.png')).toBeNull();
      expect(await store.read('originals/none')).toBeNull();
    });

    it('replaces a file of the same name, and no longer uses the bytes once put has resolved', async () => {
      const content = bytes('first');
      await store.put('a.png', content);
      content.fill(0);
      expect(await text(store, 'a.png')).toBe('first');
      await store.put('a.png', bytes('second, and longer'));
      await store.put('a.png', bytes('third'));
      expect(await stored()).toEqual({ 'a.png': 'third' });
    });

    it('publishes new bytes and stored files together', async () => {
      await store.put('originals/a~1', bytes('original'));
      await store.put('a.png', bytes('old'));
      await store.publish([
        { name: 'a.png', from: 'originals/a~1' },
        { name: 'a@1x1.png', bytes: bytes('rendition') },
      ]);
      const expected = { 'a.png': 'original', 'a@1x1.png': 'rendition', 'originals/a~1': 'original' };
      expect(await stored()).toEqual(expected);
      await store.publish([]);
      expect(await stored()).toEqual(expected);
    });

    it('keeps a published file apart from the one it came from', async () => {
      await store.put('originals/a~1', bytes('original'));
      await store.publish([{ name: 'a.png', from: 'originals/a~1' }]);
      await store.publish([{ name: 'a.png', from: 'originals/a~1' }]);
      await store.put('a.png', bytes('changed'));
      expect(await text(store, 'originals/a~1')).toBe('original');
      await store.publish([{ name: 'a.png', from: 'originals/a~1' }]);
      await store.remove(['originals/a~1']);
      expect(await stored()).toEqual({ 'a.png': 'original' });
    });

    it('publishes nothing when one of the files is missing', async () => {
      await store.put('a.png', bytes('old'));
      const files: readonly FileSource[] = [
        { name: 'a.png', bytes: bytes('new') },
        { name: 'a@1x1.png', from: 'originals/none' },
        { name: 'a@2x2.png', bytes: bytes('new') },
      ];
      await expect(store.publish(files)).rejects.toMatchObject({ name: 'ImageError', code: 'storage_unavailable' });
      expect(await stored()).toEqual({ 'a.png': 'old' });
    });

    it('removes files, and ignores names that do not exist', async () => {
      await store.put('a.png', bytes('a'));
      await store.put('b.png', bytes('b'));
      await store.put('originals/a~1', bytes('o'));
      await store.remove(['none.png', 'a.png', 'originals/none', 'originals/a~1', 'a.png']);
      await store.remove([]);
      expect(await stored()).toEqual({ 'b.png': 'b' });
    });

    describe('open', () => {
      const content = new Uint8Array(3_000_001).map((_, index) => index * 7);

      it.each<[string, ByteRange | undefined, number, number]>([
        ['the whole file', undefined, 0, 3_000_001],
        ['a part', { start: 1_000, end: 1_999_999 }, 1_000, 2_000_000],
        ['the first byte', { start: 0, end: 0 }, 0, 1],
        ['the last byte', { start: 3_000_000, end: 3_000_000 }, 3_000_000, 3_000_001],
        [
          'what there is of a part that goes on beyond the end',
          { start: 2_999_990, end: 9_999_999 },
          2_999_990,
          3_000_001,
        ],
        ['nothing of a part beyond the end', { start: 3_000_001, end: 3_000_009 }, 3_000_001, 3_000_001],
      ])('gives %s as a stream, and the size of the file', async (_what, range, from, to) => {
        await store.put('a.png', content);
        const opened = await openFile(store, 'a.png', range);
        expect(opened.bytes).toBe(content.length);
        expect(Buffer.compare(await streamed(opened), content.subarray(from, to))).toBe(0);
        await opened.close();
      });

      it('opens originals and empty files too, and returns null for a missing file', async () => {
        await store.put('originals/a~1', bytes('original'));
        await store.put('empty.png', bytes(''));
        await using original = disposable(await openFile(store, 'originals/a~1'));
        await using empty = disposable(await openFile(store, 'empty.png'));
        expect((await streamed(original.file)).toString()).toBe('original');
        expect([empty.file.bytes, (await streamed(empty.file)).length]).toEqual([0, 0]);
        expect(await store.open('none.png')).toBeNull();
        expect(await store.open('none.png', { start: 0, end: 1 })).toBeNull();
        expect(await store.open('originals/none')).toBeNull();
      });

      it.each<[string, () => Promise<void>]>([
        ['replaced by one of the same size', () => store.put('a.png', new Uint8Array(content.length))],
        ['replaced by a shorter one', () => store.put('a.png', bytes('short'))],
        ['removed', () => store.remove(['a.png'])],
      ])('reads on in a file that is %s while it is open, and does not find it again', async (_what, change) => {
        await store.put('a.png', content);
        await using unread = disposable(await openFile(store, 'a.png'));
        await using half = disposable(await openFile(store, 'a.png'));
        const chunks = half.file.stream()[Symbol.asyncIterator]();
        const first: Buffer = (await chunks.next()).value;
        await change();
        expect(Buffer.compare(await streamed(unread.file), content)).toBe(0);
        const rest = await Array.fromAsync({ [Symbol.asyncIterator]: () => chunks });
        expect(Buffer.compare(Buffer.concat([first, ...rest]), content)).toBe(0);
        const again = await store.open('a.png');
        if (again !== null) expect(Buffer.compare(await streamed(again), content)).not.toBe(0);
        await again?.close();
      });

      it('opens several parts at once, each with its own position', async () => {
        await store.put('a.png', content);
        const files = await Promise.all([0, 1, 2].map((start) => openFile(store, 'a.png', { start, end: start + 9 })));
        const parts = await Promise.all(files.map(streamed));
        expect(parts.map((part) => [...part])).toEqual(
          [0, 1, 2].map((start) => [...content.subarray(start, start + 10)]),
        );
        for (const file of files) await file.close();
      });

      it('allows closing twice, unread, or in the middle of the stream, which is then destroyed', async () => {
        await store.put('a.png', content);
        const unread = await openFile(store, 'a.png');
        await unread.close();
        await unread.close();
        const half = await openFile(store, 'a.png');
        const stream = half.stream();
        await stream[Symbol.asyncIterator]().next();
        await half.close();
        await half.close();
        expect(stream.destroyed).toBe(true);
        expect(stream.readableEnded).toBe(false);
      });
    });

    it('lists every file with its size and time', async () => {
      const before = Date.now();
      await store.put('a.png', bytes('12345'));
      await store.put('originals/a~1', bytes('123'));
      await store.put('inputs/0af1', bytes('12'));
      const files = await listed(store);
      expect(files.map(({ name: file, bytes: size }) => [file, size])).toEqual([
        ['a.png', 5],
        ['inputs/0af1', 2],
        ['originals/a~1', 3],
      ]);
      for (const { modifiedAt } of files) {
        // Stores may keep whole seconds only, and may use another clock.
        expect(modifiedAt).toBeGreaterThan(before - 10_000);
        expect(modifiedAt).toBeLessThan(Date.now() + 10_000);
        expect(Number.isInteger(modifiedAt)).toBe(true);
      }
    });

    it('counts each stored file once, and says what a removal frees', async () => {
      expect(await store.usedBytes()).toBe(0);
      await store.put('originals/a~1', bytes('original'));
      await store.put('originals/a~2', bytes('aside'));
      await store.put('inputs/0af1', bytes('logo'));
      await store.put('inputs/0af1', bytes('logo'));
      await store.publish([
        { name: 'a.png', from: 'originals/a~1' },
        { name: 'a@1x1.png', bytes: bytes('rendition') },
      ]);
      const all = ['originals/a~1', 'originals/a~2', 'inputs/0af1', 'a.png', 'a@1x1.png', 'none.png'];
      const [used, freed] = [await store.usedBytes(), await store.bytesOf(all)];
      expect(used).toBe(34);
      expect(freed).toBe(used);
      await store.put('a@1x1.png', bytes('smaller'));
      expect(await store.usedBytes()).toBe(used - 2);
      const ofOriginal = await store.bytesOf(['originals/a~1']);
      await store.remove(['originals/a~1']);
      expect(await store.usedBytes()).toBe(used - 2 - ofOriginal);
      await store.remove(all);
      expect(await store.usedBytes()).toBe(0);
      expect(await store.bytesOf(all)).toBe(0);
      store = await fixture.open();
      await store.put('a.png', bytes('12345'));
      store = await fixture.open();
      expect(await store.usedBytes()).toBe(5);
    });

    it('keeps its mark apart from the files, also after it is reopened', async () => {
      expect(await store.mark()).toBeNull();
      await store.setMark('first');
      await store.setMark('0198-second');
      await store.removeTemporary();
      store = await fixture.open();
      expect(await store.mark()).toBe('0198-second');
      expect(await listed(store)).toEqual([]);
      expect(await store.usedBytes()).toBe(0);
    });

    it('holds one whole version after many writes of one name at once', async () => {
      const versions = Array.from({ length: 20 }, (_, index) =>
        String.fromCharCode(97 + index).repeat(200_000 - index),
      );
      await Promise.all(
        versions.map((version, index) =>
          store.publish([
            { name: 'same.png', bytes: bytes(version) },
            { name: `own-${index}.png`, bytes: bytes(version) },
          ]),
        ),
      );
      expect(versions).toContain(await text(store, 'same.png'));
      expect(await listed(store)).toHaveLength(versions.length + 1);
    });

    it.each([
      '',
      '.',
      '..',
      '../a.png',
      '/etc/passwd',
      'a/b.png',
      'originals/../a.png',
      'originals/',
      'originals/a/b',
      'inputs/',
      'inputs/a/b',
      'inputs/../a.png',
      '.tmp/a',
    ])('raises a TypeError for the name %j', async (name) => {
      await expect(store.put(name, bytes('x'))).rejects.toThrow(TypeError);
      await expect(store.read(name)).rejects.toThrow(TypeError);
      await expect(store.open(name)).rejects.toThrow(TypeError);
      await expect(store.remove([name])).rejects.toThrow(TypeError);
      await expect(store.bytesOf([name])).rejects.toThrow(TypeError);
      await expect(store.publish([{ name, bytes: bytes('x') }])).rejects.toThrow(TypeError);
      await expect(store.publish([{ name: 'a.png', from: name }])).rejects.toThrow(TypeError);
      expect(await listed(store)).toEqual([]);
    });

    it('raises a TypeError for NUL, backslashes and hidden files', async () => {
      for (const name of ['a\0.png', 'a\\b.png', '.hidden', 'originals/.hidden', 'a..b.png']) {
        await expect(store.put(name, bytes('x'))).rejects.toThrow(TypeError);
      }
    });

    it('leaves no file behind after a check', async () => {
      await store.put('a.png', bytes('a'));
      await store.removeTemporary();
      await store.check(1);
      expect(await stored()).toEqual({ 'a.png': 'a' });
    });
  });
}

export function bytes(content: string): Uint8Array {
  return new TextEncoder().encode(content);
}

/** The content of a file as text; undefined where there is no such file. */
export async function text(store: MediaStore, name: string): Promise<string | undefined> {
  const content = await store.read(name);
  return content === null ? undefined : new TextDecoder().decode(content);
}

/** Opens a file that must exist. */
async function openFile(store: MediaStore, name: string, range?: ByteRange): Promise<OpenFile> {
  const opened = await store.open(name, range);
  if (opened === null) throw new Error(`there is no ${name}`);
  return opened;
}

async function streamed(file: OpenFile): Promise<Buffer> {
  return Buffer.concat(await file.stream().toArray());
}

function disposable(file: OpenFile) {
  return { file, [Symbol.asyncDispose]: () => file.close() };
}

/** Everything the store lists, sorted by name. */
export async function listed(store: MediaStore): Promise<readonly StoredFile[]> {
  const files = await Array.fromAsync(store.list());
  return files.sort((a, b) => (a.name < b.name ? -1 : 1));
}
