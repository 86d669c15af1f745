import { randomUUID } from 'node:crypto';
import { constants } from 'node:fs';
import * as nodeFileSystem from 'node:fs/promises';
import { dirname, join, resolve } from 'node:path';
import { getSystemErrorMessage } from 'node:util';
import { ImageError } from '../../core/domain/errors.ts';
import type { FileSource, MediaStore } from '../../core/ports/media-store.ts';
import { openFile } from './open-file.ts';

/** What the store uses of `node:fs/promises`. */
export type FileSystem = Pick<
  typeof nodeFileSystem,
  | 'copyFile'
  | 'link'
  | 'lstat'
  | 'mkdir'
  | 'open'
  | 'opendir'
  | 'readFile'
  | 'readdir'
  | 'rename'
  | 'rm'
  | 'stat'
  | 'statfs'
  | 'unlink'
  | 'utimes'
>;

export interface DiskStoreOptions {
  /** The folder of the pictures. It is made when it is missing. */
  readonly root: string;
  readonly fs?: FileSystem;
}

/**
 * Keeps the files in a folder of one local file system. A file is written and synced in `.tmp` below the root, then renamed, then
 * the folder is synced: a reader or a crash sees the old file or the new one, whole, and what was promised is on disk.
 *
 * Names are `<file>` or `originals/<file>`; any other is a programming error and raises `TypeError`.
 * Raises `ImageError` with `storage_full` or `storage_unavailable` when the folders cannot be made.
 */
export async function createDiskStore({ root: path, fs = nodeFileSystem }: DiskStoreOptions): Promise<MediaStore> {
  const root = resolve(path);
  const originals = join(root, 'originals');
  const temporary = join(root, '.tmp');

  const syncFolder = async (path: string): Promise<void> => {
    const handle = await fs.open(path, 'r');
    try {
      await handle.sync();
    } finally {
      await handle.close();
    }
  };

  const syncFoldersOf = async (names: readonly string[]): Promise<void> => {
    for (const touched of new Set(names.map((name) => dirname(join(root, name))))) await syncFolder(touched);
  };

  const makeFolders = async (): Promise<void> => {
    for (const folder of [root, originals, temporary]) {
      // mkdir names the topmost folder that it made, or nothing when all were there.
      const first = await fs.mkdir(folder, { recursive: true, mode: 0o755 });
      if (first === undefined) continue;
      for (let made = folder; made.length >= first.length; made = dirname(made)) await syncFolder(dirname(made));
    }
  };

  /** Which folder it is, whatever its name. */
  const rootIdentity = async (): Promise<string | null> => {
    const stats = await fs.stat(root).catch(ignoreMissing);
    return stats ? `${stats.dev}:${stats.ino}` : null;
  };

  /** Pictures that are written while their volume is not mounted would be hidden by it, or gone with a container's own disk. */
  const assertSameRoot = async (): Promise<void> => {
    if ((await rootIdentity()) === identity) return;
    throw new ImageError(
      'storage_unavailable',
      `${root} is not the folder that it was when Easel started; is its volume mounted? If it was replaced on purpose, restart Easel`,
      { retryAfterSeconds: 5 },
    );
  };

  /** Does the work, once more when a folder was taken away under the running service, and translates what goes wrong. */
  const runWrite = async <T>(work: () => Promise<T>): Promise<T> => {
    try {
      await assertSameRoot();
      return await work().catch(async (error) => {
        if (codeOf(error) !== 'ENOENT') throw error;
        await makeFolders();
        return work();
      });
    } catch (error) {
      throw asImageError(error, 'write to', root);
    }
  };

  const freeBytes = async (): Promise<number> => {
    const { bavail, bsize } = await fs.statfs(root);
    return bavail * bsize;
  };

  const writeTemporary = async (path: string, bytes: Uint8Array): Promise<void> => {
    const handle = await fs.open(path, 'wx', 0o644);
    try {
      await handle.writeFile(bytes);
      await handle.sync();
    } finally {
      await handle.close();
    }
  };

  /** A second name for a stored file, whose bytes are durable already; a copy where the file system has no links. */
  const linkTemporary = async (path: string, source: string): Promise<void> => {
    try {
      await fs.link(source, path);
    } catch (error) {
      if (!LINK_REFUSED.has(codeOf(error) ?? '')) throw error;
      await fs.copyFile(source, path, constants.COPYFILE_EXCL | constants.COPYFILE_FICLONE);
      const handle = await fs.open(path, 'r+');
      try {
        await handle.sync();
      } finally {
        await handle.close();
      }
    }
    // A name that is new must not look old: by its age a cleanup tells a stray file from one that is just being published.
    const now = new Date();
    await fs.utimes(path, now, now);
  };

  const publish = async (files: readonly FileSource[]): Promise<void> => {
    const staged = files.map((file) => ({ file, path: join(temporary, randomUUID()) }));
    const leftover = new Set(staged.map(({ path }) => path));
    try {
      // All have to settle before the temporary files are removed, or a late one would stay.
      const writes = await Promise.allSettled(
        staged.map(({ file, path }) =>
          'bytes' in file ? writeTemporary(path, file.bytes) : linkTemporary(path, join(root, file.from)),
        ),
      );
      for (const write of writes) if (write.status === 'rejected') throw write.reason;
      for (const { file, path } of staged) {
        await fs.rename(path, join(root, file.name));
        // Renaming one link of a file onto another link of it does nothing, by definition, so a linked name may be left.
        if ('bytes' in file) leftover.delete(path);
      }
      await syncFoldersOf(files.map((file) => file.name));
    } finally {
      for (const path of leftover) await fs.rm(path, { force: true }).catch(() => undefined);
    }
  };

  await makeFolders().catch((error) => {
    throw asImageError(error, 'write to', root);
  });
  const identity = await rootIdentity();

  return {
    async put(name, bytes) {
      assertNames([name]);
      await runWrite(() => publish([{ name, bytes }]));
    },

    async publish(files) {
      assertNames(files.flatMap((file) => ('from' in file ? [file.name, file.from] : [file.name])));
      await runWrite(() => publish(files));
    },

    async read(name) {
      assertNames([name]);
      const path = join(root, name);
      return fs.readFile(path).catch((error) => {
        if (codeOf(error) === 'ENOENT') return null;
        throw asImageError(error, 'read', path);
      });
    },

    async open(name, range) {
      assertNames([name]);
      const path = join(root, name);
      const failed = (error: unknown) => asImageError(error, 'read', path);
      const handle = await fs.open(path, 'r').catch((error) => {
        if (codeOf(error) === 'ENOENT') return null;
        throw failed(error);
      });
      // A file that is replaced or removed lives on under its descriptor, since files are only ever replaced by a rename.
      return handle && openFile(handle, range, failed);
    },

    async remove(names) {
      assertNames(names);
      await runWrite(async () => {
        for (const name of names) await fs.unlink(join(root, name)).catch(ignoreMissing);
        // Also when nothing was there: an earlier call may have removed it and failed to sync.
        await syncFoldersOf(names);
      });
    },

    async *list() {
      for (const prefix of ['', 'originals/']) {
        const path = join(root, prefix);
        try {
          for await (const { name } of await fs.opendir(path, { bufferSize: 256 })) {
            if (name.startsWith('.')) continue;
            const stats = await fs.lstat(join(path, name)).catch(ignoreMissing);
            if (!stats?.isFile()) continue;
            yield { name: `${prefix}${name}`, bytes: stats.size, modifiedAt: Math.floor(stats.mtimeMs) };
          }
        } catch (error) {
          if (codeOf(error) !== 'ENOENT') throw asImageError(error, 'read', path);
        }
      }
    },

    async removeTemporary() {
      await runWrite(async () => {
        for (const name of await fs.readdir(temporary))
          await fs.rm(join(temporary, name), { recursive: true, force: true });
        await syncFolder(temporary);
      });
    },

    freeBytes: () => runWrite(freeBytes),

    async check(needBytes) {
      await runWrite(async () => {
        const free = await freeBytes();
        if (free < needBytes) {
          throw new ImageError(
            'storage_full',
            `${root} has ${megabytes(free)} free and ${megabytes(needBytes)} are needed`,
          );
        }
        const path = join(temporary, randomUUID());
        try {
          await writeTemporary(path, PROBE);
        } finally {
          await fs.rm(path, { force: true });
        }
      });
    },
  };
}

const PROBE = new Uint8Array(4096);

/** link(2): no hard links on this file system, links across file systems, or too many of them. */
const LINK_REFUSED: ReadonlySet<string> = new Set([
  'EPERM',
  'EACCES',
  'ENOTSUP',
  'EOPNOTSUPP',
  'ENOSYS',
  'EXDEV',
  'EMLINK',
]);

const NAME = /^(?:originals\/)?[^./\\][^/\\]*$/;

function assertNames(names: readonly string[]): void {
  for (const name of names) {
    if (!NAME.test(name) || name.includes('..') || name.includes('\0')) {
      throw new TypeError(`not a name of the media store: ${JSON.stringify(name)}`);
    }
  }
}

function codeOf(error: unknown): string | null {
  return error instanceof Error && 'code' in error && typeof error.code === 'string' ? error.code : null;
}

function ignoreMissing(error: unknown): undefined {
  if (codeOf(error) !== 'ENOENT') throw error;
}

function megabytes(bytes: number): string {
  return `${(bytes / 1e6).toFixed(1)} MB`;
}

/** Faults of the file system as the port promises them; anything else is a defect and stays as it is. */
function asImageError(error: unknown, action: string, path: string): unknown {
  const code = codeOf(error);
  if (error instanceof ImageError || code === null || !(error instanceof Error) || !('errno' in error)) return error;
  const place = 'path' in error && typeof error.path === 'string' ? error.path : path;
  const detail = `cannot ${action} ${place}: ${getSystemErrorMessage(Number(error.errno))} (${code})`;
  return code === 'ENOSPC' || code === 'EDQUOT'
    ? new ImageError('storage_full', detail, { cause: error })
    : new ImageError('storage_unavailable', detail, { cause: error, retryAfterSeconds: 5 });
}
