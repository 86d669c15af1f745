import { randomUUID } from 'node:crypto';
import * as nodeFileSystem from 'node:fs/promises';
import { dirname, join, resolve } from 'node:path';
import { ImageError } from '../../core/domain/errors.ts';
import type { FileSource, MediaStore, StoredFile } from '../../core/ports/media-store.ts';
import { createFileCount, freedWith, freedWithAll } from './disk-usage.ts';
import { createDurableFiles } from './durable-files.ts';
import { asImageError, codeOf, type FileSystem, ignoreMissing } from './file-system.ts';
import { openFile } from './open-file.ts';
import { assertNames, FOLDERS } from './stored-names.ts';
import { createUsedBytes } from './used-bytes.ts';

interface DiskStoreOptions {
  /** The folder of the pictures. It is made when it is missing. */
  readonly root: string;
  readonly fs?: FileSystem;
  /**
   * How old a file under a temporary name must be to be removed as left behind, in milliseconds; 0 by default. Where several processes
   * write into the folder, others may be writing theirs.
   */
  readonly temporaryAgeMs?: number;
}

/**
 * Media store in a folder of one local file system, atomic and durable. A file is written and synced in `.tmp` below the root, then
 * renamed, then its folder is synced: a reader, or a restart after a crash, finds the old file or the new one, never a part of one.
 * Once a method's promise has resolved, its change is on disk.
 *
 * Names are `<file>`, `originals/<file>` or `inputs/<file>`; any other name is a programming error and raises `TypeError`.
 * Raises `ImageError` with `storage_full` or `storage_unavailable` when the folders cannot be made.
 */
export async function createDiskStore({
  root: path,
  fs = nodeFileSystem,
  temporaryAgeMs = 0,
}: DiskStoreOptions): Promise<MediaStore> {
  const root = resolve(path);
  const temporary = join(root, '.tmp');
  const files = createDurableFiles(fs);

  const makeFolders = async (): Promise<void> => {
    for (const folder of [root, ...FOLDERS.map((name) => join(root, name)), temporary]) await files.makeFolder(folder);
  };

  const syncFoldersOf = async (names: readonly string[]): Promise<void> => {
    for (const folder of new Set(names.map((name) => dirname(join(root, name))))) await files.syncFolder(folder);
  };

  /** Whether the file was written within these milliseconds, by the clock of the file system, or is gone. */
  const isYounger = async (path: string, ageMs: number): Promise<boolean> => {
    const stats = await fs.stat(path).catch(ignoreMissing);
    return !stats || Date.now() - stats.mtimeMs < ageMs;
  };

  /** Device and inode of the root folder; null when it is missing. */
  const rootIdentity = async (): Promise<string | null> => {
    const stats = await fs.stat(root).catch(ignoreMissing);
    return stats ? `${stats.dev}:${stats.ino}` : null;
  };

  /**
   * Refuses to write once the root is another folder than at the start, such as the empty mount point of an unmounted volume: a later
   * mount would hide the pictures written there, or they would be lost with the container.
   */
  const assertSameRoot = async (): Promise<void> => {
    if ((await rootIdentity()) === identity) return;
    throw new ImageError(
      'storage_unavailable',
      `${root} is not the folder that it was when Easel started; is its volume mounted? If it was replaced on purpose, restart Easel`,
      { retryAfterSeconds: 5 },
    );
  };

  /** Runs a write; recreates missing folders and retries once; maps errors to `ImageError`. */
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

  const publish = async (sources: readonly FileSource[]): Promise<void> => {
    const staged = sources.map((source) => ({ source, path: join(temporary, randomUUID()) }));
    const leftover = new Set(staged.map(({ path }) => path));
    try {
      // Waits for all of them even if one fails: a file that is written later would escape the removal below.
      const writes = await Promise.allSettled(
        staged.map(({ source, path }) =>
          'bytes' in source ? files.write(path, source.bytes) : files.copy(join(root, source.from), path),
        ),
      );
      for (const write of writes) if (write.status === 'rejected') throw write.reason;
      for (const { source, path } of staged) {
        const target = join(root, source.name);
        const taken = await freedWith(fs, path);
        const replaced = await freedWith(fs, target);
        await fs.rename(path, target);
        if (source.name !== MARK) usage.add(taken - replaced);
        leftover.delete(path);
      }
      await syncFoldersOf(sources.map((source) => source.name));
    } finally {
      for (const path of leftover) await fs.rm(path, { force: true }).catch(() => undefined);
    }
  };

  /** Removes every name that can be removed; raises the error of the first that cannot. */
  const remove = async (names: readonly string[]): Promise<void> => {
    const faults: unknown[] = [];
    for (const name of names) {
      const path = join(root, name);
      const freed = await freedWith(fs, path);
      try {
        await fs.unlink(path);
        usage.add(-freed);
      } catch (error) {
        if (codeOf(error) !== 'ENOENT') faults.push(error);
      }
    }
    // Syncs even if nothing was there: an earlier call may have removed the file and failed to sync.
    await syncFoldersOf(names);
    if (faults.length > 0) throw faults[0];
  };

  async function* list(onFault: (name: string, error: unknown) => void = () => undefined): AsyncGenerator<StoredFile> {
    const count = createFileCount();
    for (const prefix of ['', ...FOLDERS.map((folder) => `${folder}/`)]) {
      const folder = join(root, prefix);
      try {
        for await (const { name } of await fs.opendir(folder, { bufferSize: 256 })) {
          if (name.startsWith('.')) continue;
          const path = join(folder, name);
          const stats = await fs.lstat(path).catch((error: unknown) => {
            if (codeOf(error) !== 'ENOENT') onFault(`${prefix}${name}`, asImageError(error, 'read', path));
          });
          if (!stats?.isFile()) continue;
          count.add(stats);
          yield { name: `${prefix}${name}`, bytes: stats.size, modifiedAt: Math.floor(stats.mtimeMs) };
        }
      } catch (error) {
        if (codeOf(error) !== 'ENOENT') throw asImageError(error, 'read', folder);
      }
    }
    usage.set(count.bytes);
  }

  const usage = createUsedBytes(async () => {
    for await (const _ of list());
  });

  const freeBytes = async (): Promise<number> => {
    const { bavail, bsize } = await fs.statfs(root);
    return bavail * bsize;
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

    async publish(sources) {
      assertNames(sources.flatMap((source) => ('from' in source ? [source.name, source.from] : [source.name])));
      await runWrite(() => publish(sources));
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
      const toImageError = (error: unknown) => asImageError(error, 'read', path);
      const handle = await fs.open(path, 'r').catch((error) => {
        if (codeOf(error) === 'ENOENT') return null;
        throw toImageError(error);
      });
      // The descriptor keeps the version that was opened: files are only replaced by rename and removed by unlink, never written to.
      return handle && openFile(handle, range, toImageError);
    },

    // As configured: a relative folder is that of the process, and stays relative.
    pathOf: (name) => join(path, name),

    async remove(names) {
      assertNames(names);
      await runWrite(() => remove(names));
    },

    list,

    async bytesOf(names) {
      assertNames(names);
      return freedWithAll(
        fs,
        names.map((name) => join(root, name)),
      );
    },

    usedBytes: () => usage.bytes(),

    async mark() {
      const path = join(root, MARK);
      const text = await fs.readFile(path, 'utf8').catch((error) => {
        if (codeOf(error) === 'ENOENT') return '';
        throw asImageError(error, 'read', path);
      });
      return text.trim() || null;
    },

    async setMark(id) {
      await runWrite(() => publish([{ name: MARK, bytes: new TextEncoder().encode(`${id}\n`) }]));
    },

    async removeTemporary() {
      await runWrite(async () => {
        const faults: unknown[] = [];
        for (const name of await fs.readdir(temporary)) {
          const path = join(temporary, name);
          if (temporaryAgeMs > 0 && (await isYounger(path, temporaryAgeMs))) continue;
          await fs.rm(path, { recursive: true, force: true }).catch((error: unknown) => faults.push(error));
        }
        await files.syncFolder(temporary);
        if (faults.length > 0) throw faults[0];
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
        const path = join(temporary, `probe-${randomUUID()}`);
        try {
          await files.write(path, PROBE);
        } finally {
          await fs.rm(path, { force: true });
        }
      });
    },
  };
}

/** The file that says whose the folder is; hidden, so that no picture can have its name. */
const MARK = '.easel';

/** What `check` writes: one block of a common file system. */
const PROBE = new Uint8Array(4096);

function megabytes(bytes: number): string {
  return `${(bytes / 1e6).toFixed(1)} MB`;
}
