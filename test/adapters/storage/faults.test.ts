import * as nodeFileSystem from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout } from 'node:timers/promises';
import { beforeEach, describe, expect, it } from 'vitest';
import { createDiskStore } from '../../../src/adapters/storage/disk.ts';
import type { FileSystem } from '../../../src/adapters/storage/file-system.ts';
import { ImageError } from '../../../src/core/domain/errors.ts';
import { bytes, listed, text } from '../../contracts/media-store.ts';
import { failFiles } from '../../support/failing-files.ts';
import { canMountTmpfs, mountTmpfs } from '../../support/tmpfs.ts';
import { counted, type Faults, faulty, makeRootForEach, traced } from './fixture.ts';

const disk = makeRootForEach();
let root: string;

beforeEach(() => {
  root = disk.root();
});

describe('faults', () => {
  const full = { code: 'storage_full', message: expect.stringContaining('no space left on device (ENOSPC)') };

  it.each<[string, Faults, object]>([
    ['no space for the bytes', { writeFile: 'ENOSPC' }, full],
    ['no quota for the bytes', { writeFile: 'EDQUOT' }, { code: 'storage_full' }],
    ['no space for the directory entry', { open: 'ENOSPC' }, full],
    ['no space at the sync', { sync: 'ENOSPC' }, full],
    ['a failing sync', { sync: 'EIO' }, { code: 'storage_unavailable', message: expect.stringContaining('(EIO)') }],
    ['a failing close', { close: 'EIO' }, { code: 'storage_unavailable' }],
    ['a read-only disk', { open: 'EROFS' }, { code: 'storage_unavailable' }],
    ['no right to write', { open: 'EACCES' }, { code: 'storage_unavailable' }],
    ['too many open files', { open: 'EMFILE' }, { code: 'storage_unavailable' }],
    ['a failing rename', { rename: 'EIO' }, { code: 'storage_unavailable' }],
  ])('%s: the old files stay, no temporary file or open descriptor is left', async (_, faults, expected) => {
    const sound = await createDiskStore({ root });
    await sound.put('originals/a~1', bytes('original'));
    await sound.put('a.png', bytes('old'));
    await sound.put('b.png', bytes('old'));
    const { fs, open } = counted(faulty(faults));
    const store = await createDiskStore({ root, fs });

    const attempts = [
      () => store.put('a.png', bytes('new')),
      () =>
        store.publish([
          { name: 'a.png', bytes: bytes('new') },
          { name: 'b.png', from: 'originals/a~1' },
          { name: 'c.png', bytes: bytes('new') },
        ]),
      ...('rename' in faults ? [] : [() => store.check(0)]),
    ];
    for (const attempt of attempts) {
      const error: unknown = await attempt().catch((reason: unknown) => reason);
      expect(error).toBeInstanceOf(ImageError);
      expect(error).toMatchObject({ ...expected, cause: expect.any(Error) });
      expect(error).toHaveProperty('message', expect.stringContaining(root));
    }
    expect((await listed(sound)).map(({ name }) => name)).toEqual(['a.png', 'b.png', 'originals/a~1']);
    expect(await text(sound, 'a.png')).toBe('old');
    expect(await text(sound, 'b.png')).toBe('old');
    expect(await disk.temporaryFiles()).toEqual([]);
    expect(open()).toBe(0);

    // Once the fault is over, the same store works again.
    for (const fault of Object.keys(faults)) delete faults[fault as keyof Faults];
    await store.check(0);
    await store.put('a.png', bytes('new'));
    expect(await text(store, 'a.png')).toBe('new');
    expect(open()).toBe(0);
  });

  it('leaves no temporary file where one write fails while another has not begun', async () => {
    const sound = await createDiskStore({ root });
    await sound.put('originals/a~1', bytes('original'));
    const fs = faulty({ copyFile: 'EIO' });
    const opened: Promise<unknown>[] = [];
    const late: FileSystem = {
      ...fs,
      open(...given) {
        const opening = setTimeout(50).then(() => fs.open(...given));
        opened.push(opening);
        return opening;
      },
    };
    const store = await createDiskStore({ root, fs: late });
    const sources = [
      { name: 'a.png', from: 'originals/a~1' },
      { name: 'a@1x1.png', bytes: bytes('one') },
    ];
    await expect(store.publish(sources)).rejects.toMatchObject({ code: 'storage_unavailable' });
    await Promise.allSettled(opened);
    expect(opened).not.toEqual([]);
    expect(await disk.temporaryFiles()).toEqual([]);
  });

  it('fails when only the folder could not be synced', async () => {
    await createDiskStore({ root });
    const store = await createDiskStore({ root, fs: faulty({ syncFolder: 'EIO' }) });
    await expect(store.put('a.png', bytes('a'))).rejects.toMatchObject({ code: 'storage_unavailable' });
    await expect(store.remove(['a.png'])).rejects.toMatchObject({ code: 'storage_unavailable' });
  });

  it('syncs the folder when a removal is repeated whose sync had failed', async () => {
    const faults: Faults = { syncFolder: 'EIO' };
    const { fs, log } = traced(root, faulty(faults));
    const sound = await createDiskStore({ root });
    await sound.put('a.png', bytes('a'));
    const store = await createDiskStore({ root, fs });
    await expect(store.remove(['a.png'])).rejects.toMatchObject({ code: 'storage_unavailable' });
    delete faults.syncFolder;
    log.length = 0;
    await store.remove(['a.png']);
    expect(log).toContain('sync .');
  });

  it('removes what it can before it says that a folder is in the place of a file', async () => {
    const store = await createDiskStore({ root });
    for (const name of ['a.png', 'z.png']) await store.put(name, bytes(name));
    await nodeFileSystem.mkdir(join(root, 'odd.png'));
    await expect(store.remove(['a.png', 'odd.png', 'z.png'])).rejects.toMatchObject({
      code: 'storage_unavailable',
      message: expect.stringContaining('odd.png'),
    });
    expect(await listed(store)).toEqual([]);
    expect(await store.bytesOf(['odd.png'])).toBe(0);
  });

  it('removes the temporary files behind one that cannot be removed, and says so', async () => {
    const store = await createDiskStore({ root });
    for (const name of ['a', 'odd', 'z']) await nodeFileSystem.writeFile(join(root, '.tmp', name), name);
    {
      using _fault = failFiles('rm', '.tmp/odd');
      await expect(store.removeTemporary()).rejects.toMatchObject({ name: 'ImageError', code: 'storage_unavailable' });
      expect(await disk.temporaryFiles()).toEqual(['odd']);
    }
    await store.removeTemporary();
    expect(await disk.temporaryFiles()).toEqual([]);
  });

  it('lists the files behind one that cannot be looked at, and hands that one over', async () => {
    const store = await createDiskStore({ root });
    for (const name of ['a.png', 'odd.png', 'originals/z~1']) await store.put(name, bytes(name));
    using _fault = failFiles('lstat', '/odd.png');
    const faults: unknown[] = [];
    const files = await Array.fromAsync(store.list((name, error) => faults.push([name, error])));
    expect(files.map(({ name }) => name)).toEqual(['a.png', 'originals/z~1']);
    expect(faults).toEqual([['odd.png', expect.objectContaining({ code: 'storage_unavailable' })]]);
    expect(await listed(store)).toHaveLength(2);
  });

  it('cannot say whose the folder is while its mark cannot be read', async () => {
    const store = await createDiskStore({ root });
    await store.setMark('mine');
    using _fault = failFiles('readFile', '/.easel');
    await expect(store.mark()).rejects.toMatchObject({ name: 'ImageError', code: 'storage_unavailable' });
  });

  it('names the file that cannot be read', async () => {
    const store = await createDiskStore({ root, fs: faulty({ readFile: 'EIO', opendir: 'EACCES' }) });
    await expect(store.read('a.png')).rejects.toMatchObject({
      code: 'storage_unavailable',
      message: expect.stringMatching(/^cannot read .*a\.png: .*\(EIO\)$/),
    });
    await expect(listed(store)).rejects.toMatchObject({ code: 'storage_unavailable' });
  });

  it.each<[string, Faults]>([
    ['be opened', { openToRead: 'EMFILE' }],
    ['be asked for its size', { stat: 'EIO' }],
  ])('fails when a file cannot %s, and leaves no descriptor open', async (_, faults) => {
    const sound = await createDiskStore({ root });
    await sound.put('a.png', bytes('a'));
    const { fs, open } = counted(faulty(faults));
    const store = await createDiskStore({ root, fs });
    await expect(store.open('a.png')).rejects.toMatchObject({
      name: 'ImageError',
      code: 'storage_unavailable',
      message: expect.stringMatching(/^cannot read .*a\.png: .*\((EMFILE|EIO)\)$/),
    });
    expect(open()).toBe(0);
  });

  it('fails a stream in the middle of a file that can no longer be read', async () => {
    const faults: Faults = {};
    const store = await createDiskStore({ root, fs: faulty(faults) });
    await store.put('a.png', new Uint8Array(2_000_000));
    const opened = await store.open('a.png');
    const chunks = opened?.stream()[Symbol.asyncIterator]();
    await chunks?.next();
    faults.read = 'EIO';
    const rest = async () => {
      while (!(await chunks?.next())?.done);
    };
    await expect(rest()).rejects.toMatchObject({ name: 'ImageError', code: 'storage_unavailable' });
    await opened?.close();
  });

  it('names the space that is left and the space that is needed', async () => {
    const fs: FileSystem = {
      ...nodeFileSystem,
      statfs: (async (path: string) => ({
        ...(await nodeFileSystem.statfs(path)),
        bavail: 1000,
        bsize: 4096,
      })) as typeof nodeFileSystem.statfs,
    };
    const store = await createDiskStore({ root, fs });
    await store.check(4_096_000);
    await expect(store.check(50_000_000)).rejects.toMatchObject({
      code: 'storage_full',
      message: `${root} has 4.1 MB free and 50.0 MB are needed`,
    });
  });

  it.runIf(canMountTmpfs)('survives a full disk (a real one, which needs the right to mount)', async () => {
    const tmpfs = await mountTmpfs(root, '4m');
    try {
      const store = await createDiskStore({ root });
      await store.put('originals/a~1', bytes('original'));
      await store.put('a.png', bytes('old'));
      await store.check(1_000_000);
      await tmpfs.fill();
      const large = new Uint8Array(500_000);
      await expect(store.check(0)).rejects.toMatchObject({ code: 'storage_full' });
      await expect(store.check(1_000_000)).rejects.toMatchObject({
        code: 'storage_full',
        message: `${root} has 0.0 MB free and 1.0 MB are needed`,
      });
      await expect(store.put('a.png', large)).rejects.toMatchObject({ code: 'storage_full' });
      const files = [
        { name: 'a.png', from: 'originals/a~1' },
        { name: 'b.png', bytes: large },
      ];
      await expect(store.publish(files)).rejects.toMatchObject({ code: 'storage_full' });
      expect(await text(store, 'a.png')).toBe('old');
      expect(await disk.temporaryFiles()).toEqual([]);
      await tmpfs.empty();
      await store.check(1_000_000);
      await store.publish(files);
      expect((await listed(store)).map(({ name, bytes: size }) => [name, size])).toEqual([
        ['a.png', 8],
        ['b.png', 500_000],
        ['originals/a~1', 8],
      ]);
    } finally {
      await tmpfs.unmount();
    }
  });
});
