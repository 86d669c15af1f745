import { spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { existsSync, readSync } from 'node:fs';
import * as nodeFileSystem from 'node:fs/promises';
import { mkdir, mkdtemp, readdir, readFile, rename, rm, stat, symlink, utimes, writeFile } from 'node:fs/promises';
import { constants, tmpdir } from 'node:os';
import { join, relative } from 'node:path';
import { createInterface } from 'node:readline';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { createDiskStore } from '../../../src/adapters/storage/disk.ts';
import type { FileSystem } from '../../../src/adapters/storage/file-system.ts';
import { ImageError } from '../../../src/core/domain/errors.ts';
import type { FileSource } from '../../../src/core/ports/media-store.ts';
import { bytes, describeMediaStore, listed, text } from '../../contracts/media-store.ts';
import { canMountTmpfs, mountTmpfs } from '../../support/tmpfs.ts';

describeMediaStore('disk', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'easel-media-'));
  return {
    open: () => createDiskStore({ root: join(folder, 'deep', 'er', 'media') }),
    dispose: () => rm(folder, { recursive: true }),
  };
});

describe('createDiskStore', () => {
  let folder: string;
  let root: string;

  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'easel-disk-'));
    root = join(folder, 'media');
  });

  afterEach(() => rm(folder, { recursive: true }));

  const temporaryFiles = () => readdir(join(root, '.tmp'));

  describe('the folder', () => {
    it('is made with its subfolders, readable for all', async () => {
      const before = process.umask(0o022);
      try {
        const store = await createDiskStore({ root });
        await store.put('a.png', bytes('a'));
        await store.publish([{ name: 'b.png', from: 'a.png' }]);
        expect((await readdir(root)).sort()).toEqual(['.tmp', 'a.png', 'b.png', 'originals']);
        const mode = async (path: string) => ((await stat(join(root, path))).mode & 0o777).toString(8);
        expect(await Promise.all(['', 'originals', '.tmp', 'a.png', 'b.png'].map(mode))).toEqual([
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
      await mkdir(join(folder, 'elsewhere'));
      await symlink(join(folder, 'elsewhere'), root);
      const store = await createDiskStore({ root });
      await store.put('a.png', bytes('a'));
      expect(await readFile(join(folder, 'elsewhere', 'a.png'), 'utf8')).toBe('a');
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
      expect(await temporaryFiles()).toEqual([]);
      expect(await text(store, 'a.png')).toBe('a');
    });
  });

  describe('durability', () => {
    const newFiles: readonly FileSource[] = [
      { name: 'a.png', from: 'originals/a~1' },
      { name: 'a@1x1.png', bytes: bytes('one') },
      { name: 'a@2x2.png', bytes: bytes('two') },
    ];

    it('syncs every file before the first rename, and each folder once after the last', async () => {
      const plain = await createDiskStore({ root });
      await plain.put('originals/a~1', bytes('original'));
      const { fs, log } = traced(root);
      const store = await createDiskStore({ root, fs });
      log.length = 0;
      await store.publish([...newFiles, { name: 'originals/b~1', bytes: bytes('b') }]);
      const steps = log.filter((step) => /^(sync|rename)/.test(step));
      expect(steps).toEqual([
        'sync .tmp/*',
        'sync .tmp/*',
        'sync .tmp/*',
        'rename a.png',
        'rename a@1x1.png',
        'rename a@2x2.png',
        'rename originals/b~1',
        'sync .',
        'sync originals',
      ]);
      log.length = 0;
      await store.remove(['a.png', 'a@1x1.png']);
      expect(log.filter((step) => /^(sync|unlink)/.test(step))).toEqual(['unlink a.png', 'unlink a@1x1.png', 'sync .']);
    });

    it('publishes an unchanged original as a hard link with a new modification time', async () => {
      const store = await createDiskStore({ root });
      await store.put('originals/a~1', bytes('original'));
      await utimes(join(root, 'originals', 'a~1'), 1000, 1000);
      await store.publish([{ name: 'a.png', from: 'originals/a~1' }]);
      const [original, master] = await Promise.all(['originals/a~1', 'a.png'].map((name) => stat(join(root, name))));
      expect(master?.ino).toBe(original?.ino);
      expect(master?.mtimeMs).toBeGreaterThan(Date.now() - 60_000);
      // Once more, as after a crash: rename between two links of one file does nothing.
      await store.publish([{ name: 'a.png', from: 'originals/a~1' }]);
      expect(await temporaryFiles()).toEqual([]);
    });

    it.each(['EPERM', 'EOPNOTSUPP', 'EXDEV', 'EMLINK'] as const)(
      'publishes it as a copy where links are refused with %s',
      async (code) => {
        const store = await createDiskStore({ root, fs: faulty({ link: code }) });
        await store.put('originals/a~1', bytes('original'));
        await store.publish(newFiles);
        expect(await text(store, 'a.png')).toBe('original');
        const [original, master] = await Promise.all(['originals/a~1', 'a.png'].map((name) => stat(join(root, name))));
        expect(master?.ino).not.toBe(original?.ino);
        expect(await temporaryFiles()).toEqual([]);
      },
    );

    it('shows no partial file, and keeps every promised one, over SIGKILLs in the middle of writes', async () => {
      const promised: string[] = [];
      for (let round = 0; round < 3; round += 1) {
        const child = spawn(process.execPath, ['--input-type=module', '-e', writerScript(root, round)], {
          stdio: ['ignore', 'pipe', 'inherit'],
        });
        const enough = promised.length + 7 + 6 * round;
        for await (const line of createInterface({ input: child.stdout })) {
          promised.push(line);
          if (promised.length === enough) child.kill('SIGKILL');
        }
        if (child.signalCode === null) await once(child, 'exit');
        expect(child.signalCode).toBe('SIGKILL');

        const store = await createDiskStore({ root });
        await store.removeTemporary();
        expect(await temporaryFiles()).toEqual([]);
        const files = await listed(store);
        const names = new Set(files.map(({ name }) => name));
        expect(promised.filter((name) => !names.has(name))).toEqual([]);
        for (const { name } of files) expect(isWhole(await readFile(join(root, name))), name).toBe(true);
      }
    }, 30_000);
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
      expect(await temporaryFiles()).toEqual([]);
      expect(open()).toBe(0);

      // Once the fault is over, the same store works again.
      for (const fault of Object.keys(faults)) delete faults[fault as keyof Faults];
      await store.check(0);
      await store.put('a.png', bytes('new'));
      expect(await text(store, 'a.png')).toBe('new');
      expect(open()).toBe(0);
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
      const disk = await mountTmpfs(root, '4m');
      try {
        const store = await createDiskStore({ root });
        await store.put('originals/a~1', bytes('original'));
        await store.put('a.png', bytes('old'));
        await store.check(1_000_000);
        await disk.fill();
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
        expect(await temporaryFiles()).toEqual([]);
        await disk.empty();
        await store.check(1_000_000);
        await store.publish(files);
        expect((await listed(store)).map(({ name, bytes: size }) => [name, size])).toEqual([
          ['a.png', 8],
          ['b.png', 500_000],
          ['originals/a~1', 8],
        ]);
      } finally {
        await disk.unmount();
      }
    });
  });
});

/** A script that writes until it is killed, three files at a time, under new names and one that is replaced; prints each promised name. */
function writerScript(root: string, round: number): string {
  const module = new URL('../../../src/adapters/storage/disk.ts', import.meta.url).href;
  return `
    import { createHash } from 'node:crypto';
    import { createDiskStore } from ${JSON.stringify(module)};
    const store = await createDiskStore({ root: ${JSON.stringify(root)} });
    const whole = (size, fill) => {
      const payload = Buffer.alloc(size, fill);
      return Buffer.concat([createHash('sha256').update(payload).digest(), payload]);
    };
    const write = async (lane) => {
      for (let index = 0; ; index += 1) {
        const name = 'r${round}-' + lane + '-' + index;
        const original = 'originals/' + name + '~1';
        await store.put(original, whole(400_000 + index, index));
        await store.publish([
          { name: name + '.png', from: original },
          { name: name + '@1x1.png', bytes: whole(300_000 + index, lane) },
          { name: 'same.png', bytes: whole(200_000 * (lane + 1), index) },
        ]);
        process.stdout.write(original + '\\n' + name + '.png\\n' + name + '@1x1.png\\n');
      }
    };
    await Promise.all([write(0), write(1), write(2)]);`;
}

function isWhole(content: Buffer): boolean {
  return createHash('sha256').update(content.subarray(32)).digest().equals(content.subarray(0, 32));
}

/** Error codes that calls of the file system raise. Of a handle's calls, `sync` means that of a file and `syncFolder` that of a folder. */
type Faults = {
  [call in
    | 'close'
    | 'link'
    | 'open'
    | 'opendir'
    | 'openToRead'
    | 'read'
    | 'readFile'
    | 'rename'
    | 'stat'
    | 'sync'
    | 'syncFolder'
    | 'writeFile']?: keyof typeof constants.errno;
};

/** The real file system with the faults that are set at the time of each call. */
function faulty(faults: Faults): FileSystem {
  const failing = <Arguments extends readonly unknown[], Result>(
    call: keyof Faults,
    real: (...given: Arguments) => Promise<Result>,
  ) => {
    return async (...given: Arguments): Promise<Result> => {
      raise(faults[call]);
      return real(...given);
    };
  };
  return {
    ...nodeFileSystem,
    link: failing('link', nodeFileSystem.link),
    rename: failing('rename', nodeFileSystem.rename),
    opendir: failing('opendir', nodeFileSystem.opendir),
    readFile: failing('readFile', nodeFileSystem.readFile) as typeof nodeFileSystem.readFile,
    async open(path, flags, mode) {
      raise(flags === 'wx' ? faults.open : faults.openToRead);
      const handle = await nodeFileSystem.open(path, flags, mode);
      const close = handle.close.bind(handle);
      handle.sync = failing(flags === 'r' ? 'syncFolder' : 'sync', handle.sync.bind(handle));
      handle.writeFile = failing('writeFile', handle.writeFile.bind(handle));
      handle.read = failing('read', handle.read.bind(handle)) as typeof handle.read;
      handle.stat = failing('stat', handle.stat.bind(handle)) as typeof handle.stat;
      handle.close = async () => {
        await close();
        if (flags === 'wx') raise(faults.close);
      };
      return handle;
    },
  };
}

function raise(code: keyof typeof constants.errno | undefined): void {
  if (code === undefined) return;
  throw Object.assign(new Error(`${code}: injected`), { code, errno: -constants.errno[code], syscall: 'injected' });
}

/** The file system, and the number of descriptors that are open. */
function counted(fs: FileSystem): { fs: FileSystem; open: () => number } {
  let count = 0;
  const open: FileSystem['open'] = async (path, flags, mode) => {
    const handle = await fs.open(path, flags, mode);
    const close = handle.close.bind(handle);
    count += 1;
    handle.close = async () => {
      count -= 1;
      await close();
    };
    return handle;
  };
  return { fs: { ...fs, open }, open: () => count };
}

/** The file system with a log of its syncs, renames and unlinks, in order. */
function traced(root: string, fs: FileSystem = nodeFileSystem): { fs: FileSystem; log: string[] } {
  const log: string[] = [];
  const shown = (path: unknown): string => {
    const inside = relative(root, String(path)) || '.';
    return inside.startsWith('.tmp/') ? '.tmp/*' : inside;
  };
  return {
    log,
    fs: {
      ...fs,
      async open(path, flags, mode) {
        const handle = await fs.open(path, flags, mode);
        const sync = handle.sync.bind(handle);
        handle.sync = async () => {
          await sync();
          log.push(`sync ${shown(path)}`);
        };
        return handle;
      },
      async rename(from, to) {
        await fs.rename(from, to);
        log.push(`rename ${shown(to)}`);
      },
      async unlink(path) {
        await fs.unlink(path);
        log.push(`unlink ${shown(path)}`);
      },
    },
  };
}
