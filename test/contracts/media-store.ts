import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { FileSource, MediaStore, StoredFile } from '../../src/images/ports.ts';

export interface MediaStoreFixture {
  open(): Promise<MediaStore>;
  /** Takes everything away. */
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

    it('gives back what was put, by name, also after it is opened anew', async () => {
      const large = new Uint8Array(3_000_001).map((_, index) => index * 7);
      await store.put('a.b-c@12x34.webp', large);
      await store.put('originals/a~1f', bytes('original'));
      await store.put('empty.png', bytes(''));
      store = await fixture.open();
      expect(Buffer.compare((await store.read('a.b-c@12x34.webp')) ?? bytes(''), large)).toBe(0);
      expect(await text(store, 'originals/a~1f')).toBe('original');
      expect(await text(store, 'empty.png')).toBe('');
      expect(await store.read('none.png')).toBeNull();
      expect(await store.read('originals/none')).toBeNull();
    });

    it('replaces, and is done with the bytes when it resolves', async () => {
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

    it('publishes nothing when one of the files cannot be had', async () => {
      await store.put('a.png', bytes('old'));
      const files: readonly FileSource[] = [
        { name: 'a.png', bytes: bytes('new') },
        { name: 'a@1x1.png', from: 'originals/none' },
        { name: 'a@2x2.png', bytes: bytes('new') },
      ];
      await expect(store.publish(files)).rejects.toMatchObject({ name: 'ImageError', code: 'storage_unavailable' });
      expect(await stored()).toEqual({ 'a.png': 'old' });
    });

    it('removes what is there, and does not mind what is not', async () => {
      await store.put('a.png', bytes('a'));
      await store.put('b.png', bytes('b'));
      await store.put('originals/a~1', bytes('o'));
      await store.remove(['none.png', 'a.png', 'originals/none', 'originals/a~1', 'a.png']);
      await store.remove([]);
      expect(await stored()).toEqual({ 'b.png': 'b' });
    });

    it('lists every file with its size and time', async () => {
      const before = Date.now();
      await store.put('a.png', bytes('12345'));
      await store.put('originals/a~1', bytes('123'));
      const files = await listed(store);
      expect(files.map(({ name: file, bytes: size }) => [file, size])).toEqual([
        ['a.png', 5],
        ['originals/a~1', 3],
      ]);
      for (const { modifiedAt } of files) {
        // Stores may keep whole seconds only, and their clock may be another one.
        expect(Math.abs(modifiedAt - before)).toBeLessThan(10_000);
        expect(Number.isInteger(modifiedAt)).toBe(true);
      }
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
      '.tmp/a',
    ])('takes %j for a programming error', async (name) => {
      await expect(store.put(name, bytes('x'))).rejects.toThrow(TypeError);
      await expect(store.read(name)).rejects.toThrow(TypeError);
      await expect(store.remove([name])).rejects.toThrow(TypeError);
      await expect(store.publish([{ name, bytes: bytes('x') }])).rejects.toThrow(TypeError);
      await expect(store.publish([{ name: 'a.png', from: name }])).rejects.toThrow(TypeError);
      expect(await listed(store)).toEqual([]);
    });

    it('refuses NUL, backslashes and hidden files too', async () => {
      for (const name of ['a\0.png', 'a\\b.png', '.hidden', 'originals/.hidden', 'a..b.png']) {
        await expect(store.put(name, bytes('x'))).rejects.toThrow(TypeError);
      }
    });

    it('checks itself and leaves nothing behind', async () => {
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

export async function text(store: MediaStore, name: string): Promise<string | undefined> {
  const content = await store.read(name);
  return content === null ? undefined : new TextDecoder().decode(content);
}

/** Everything the store lists, in the order of the names. */
export async function listed(store: MediaStore): Promise<readonly StoredFile[]> {
  const files = await Array.fromAsync(store.list());
  return files.sort((a, b) => (a.name < b.name ? -1 : 1));
}
