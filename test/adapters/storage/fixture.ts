import * as nodeFileSystem from 'node:fs/promises';
import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { constants, tmpdir } from 'node:os';
import { join, relative } from 'node:path';
import { afterEach, beforeEach } from 'vitest';
import type { FileSystem } from '../../../src/adapters/storage/file-system.ts';

/** Makes an empty folder before each test of the enclosing suite, and removes it afterwards. */
export function makeRootForEach() {
  let folder: string;

  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'easel-disk-'));
  });

  afterEach(() => rm(folder, { recursive: true }));

  return {
    folder: () => folder,
    /** The store's root in that folder, not made yet. */
    root: () => join(folder, 'media'),
    /** The files in the `.tmp` of the root. */
    temporaryFiles: () => readdir(join(folder, 'media', '.tmp')),
  };
}

/** Error codes that calls of the file system raise. Of a handle's calls, `sync` means that of a file and `syncFolder` that of a folder. */
export type Faults = {
  [call in
    | 'close'
    | 'copyFile'
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
export function faulty(faults: Faults): FileSystem {
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
    copyFile: failing('copyFile', nodeFileSystem.copyFile),
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
export function counted(fs: FileSystem): { fs: FileSystem; open: () => number } {
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
export function traced(root: string, fs: FileSystem = nodeFileSystem): { fs: FileSystem; log: string[] } {
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
