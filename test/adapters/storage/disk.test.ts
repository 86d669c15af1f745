import { existsSync, readSync } from 'node:fs';
import * as nodeFileSystem from 'node:fs/promises';
import { mkdir, mkdtemp, readdir, readFile, rename, rm, stat, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, relative } from 'node:path';
import { beforeEach, describe, expect, it } from 'vitest';
import { createDiskStore } from '../../../src/adapters/storage/disk.ts';
import { bytes, describeMediaStore, listed, text } from '../../contracts/media-store.ts';
import { counted, makeRootForEach } from './fixture.ts';

describeMediaStore('disk', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'easel-media-'));
  return {
    open: () => createDiskStore({ root: join(folder, 'deep', 'er', 'media') }),
    dispose: () => rm(folder, { recursive: true }),
  };
});

const disk = makeRootForEach();
let root: string;

beforeEach(() => {
  root = disk.root();
});

it('names the place of a file as the folder was given', async () => {
  const folder = relative(process.cwd(), root);
  const store = await createDiskStore({ root: `./${folder}/` });
  await store.put('a.png', bytes('a'));
  expect([store.pathOf('a.png'), store.pathOf('originals/b')]).toEqual([`${folder}/a.png`, `${folder}/originals/b`]);
  expect(await readFile(store.pathOf('a.png'), 'utf8')).toBe('a');
  expect((await createDiskStore({ root })).pathOf('a.png')).toBe(join(root, 'a.png'));
});

describe('the folder', () => {
  it('is made with its subfolders, readable for all', async () => {
    const before = process.umask(0o022);
    try {
      const store = await createDiskStore({ root });
      await store.put('a.png', bytes('a'));
      await store.publish([{ name: 'b.png', from: 'a.png' }]);
      expect((await readdir(root)).sort()).toEqual(['.tmp', 'a.png', 'b.png', 'inputs', 'originals']);
      const mode = async (path: string) => ((await stat(join(root, path))).mode & 0o777).toString(8);
      expect(await Promise.all(['', 'originals', 'inputs', '.tmp', 'a.png', 'b.png'].map(mode))).toEqual([
        '755',
        '755',
        '755',
        '755',
        '644',
        '644',
      ]);
    } finally {
      process.umask(before);
    }
  });

  it('may be a link to a folder on another disk', async () => {
    await mkdir(join(disk.folder(), 'elsewhere'));
    await symlink(join(disk.folder(), 'elsewhere'), root);
    const store = await createDiskStore({ root });
    await store.put('a.png', bytes('a'));
    expect(await readFile(join(disk.folder(), 'elsewhere', 'a.png'), 'utf8')).toBe('a');
  });

  it('gets its subfolders back when they are removed while the store runs', async () => {
    const store = await createDiskStore({ root });
    for (const name of ['.tmp', 'originals']) await rm(join(root, name), { recursive: true });
    expect(await listed(store)).toEqual([]);
    await store.put('originals/a~1', bytes('original'));
    await rm(join(root, '.tmp'), { recursive: true });
    await store.publish([{ name: 'a.png', from: 'originals/a~1' }]);
    await rm(join(root, '.tmp'), { recursive: true });
    await store.check(0);
    expect(await text(store, 'a.png')).toBe('original');
  });

  it.each([
    ['is missing', async () => undefined],
    ['is another one, as when its volume is not mounted', () => mkdir(root)],
  ])('refuses to write while it %s, and writes again when it is back', async (_, replace) => {
    const store = await createDiskStore({ root });
    await rename(root, `${root}.away`);
    await replace();
    const refused = { code: 'storage_unavailable', message: expect.stringContaining('is its volume mounted?') };
    await expect(store.check(0)).rejects.toMatchObject(refused);
    await expect(store.put('originals/a~1', bytes('original'))).rejects.toMatchObject(refused);
    expect(existsSync(join(root, 'originals'))).toBe(false);
    await rm(root, { recursive: true, force: true });
    await rename(`${root}.away`, root);
    await store.put('originals/a~1', bytes('original'));
    expect(await text(store, 'originals/a~1')).toBe('original');
  });

  it('is named in the error when it cannot be made', async () => {
    await writeFile(root, 'a file');
    await expect(createDiskStore({ root: join(root, 'media') })).rejects.toMatchObject({
      code: 'storage_unavailable',
      message: expect.stringContaining(join(root, 'media')),
    });
  });

  it('lists regular files only: no hidden files, folders or links', async () => {
    const store = await createDiskStore({ root });
    await store.put('a.png', bytes('a'));
    await Promise.all([
      writeFile(join(root, '.gitkeep'), ''),
      writeFile(join(root, 'originals', '.DS_Store'), ''),
      writeFile(join(root, '.tmp', 'half'), ''),
      mkdir(join(root, 'stray')),
      symlink('/etc/passwd', join(root, 'passwd.png')),
    ]);
    expect((await listed(store)).map(({ name }) => name)).toEqual(['a.png']);
  });

  it('loses its temporary files, and nothing else, by removeTemporary', async () => {
    const store = await createDiskStore({ root });
    await store.put('a.png', bytes('a'));
    await mkdir(join(root, '.tmp', 'odd'));
    await writeFile(join(root, '.tmp', 'odd', 'half'), 'x');
    await writeFile(join(root, '.tmp', 'half'), 'x');
    await store.removeTemporary();
    expect(await disk.temporaryFiles()).toEqual([]);
    expect(await text(store, 'a.png')).toBe('a');
  });
});

describe('an open file', () => {
  it('offers its descriptor, which reads the version that was opened until it is closed', async () => {
    const { fs, open } = counted(nodeFileSystem);
    const store = await createDiskStore({ root, fs });
    await store.put('a.png', bytes('before'));
    const opened = await store.open('a.png', { start: 1, end: 2 });
    if (opened?.fd === undefined) throw new Error('there is no descriptor');
    await store.put('a.png', bytes('after!'));
    const buffer = Buffer.alloc(6);
    expect(readSync(opened.fd, buffer, 0, 6, 0)).toBe(6);
    expect(buffer.toString()).toBe('before');
    // Reads of the descriptor and of the stream do not disturb each other.
    expect(Buffer.concat(await opened.stream().toArray()).toString()).toBe('ef');
    expect(open()).toBe(1);
    await opened.close();
    expect(open()).toBe(0);
  });
});
