import { constants } from 'node:fs';
import { dirname } from 'node:path';
import { codeOf, type FileSystem, ignoreMissing } from './file-system.ts';

/**
 * Writes that survive a power cut once they have resolved; the name of a file only once `syncFolder` has. Errors of the file system
 * pass through unchanged.
 */
interface DurableFiles {
  /** Makes the folder and missing ones above it (mode 0755 by default), each with a durable entry in its parent. */
  makeFolder(path: string, mode?: number): Promise<void>;
  /** Makes the names in a folder durable, after files were renamed into it or unlinked from it. */
  syncFolder(path: string): Promise<void>;
  /** Writes a new file (mode 0644). Fails where the name is taken. */
  write(path: string, bytes: Uint8Array): Promise<void>;
  /**
   * Copies a file, without taking its bytes twice where the file system shares blocks (Btrfs, XFS). It is no hard link: whatever damages
   * one of the two in place, such as a tool that rewrites files, must leave the other.
   */
  copy(source: string, path: string): Promise<void>;
}

/** Durable writes over `fs`, by syncing files and their folders. */
export function createDurableFiles(fs: FileSystem): DurableFiles {
  const syncFolder = async (path: string): Promise<void> => {
    const folder = await fs.open(path, 'r');
    try {
      await folder.sync();
    } finally {
      await folder.close();
    }
  };

  /** False for what is no folder too: making one there raises the error that says so. */
  const isFolder = async (path: string): Promise<boolean> =>
    (await fs.stat(path).catch(ignoreMissing))?.isDirectory() ?? false;

  return {
    syncFolder,

    async makeFolder(path, mode = 0o755) {
      // One at a time: Node's recursive mkdir never ends where a file system such as /proc takes no new folders.
      const missing: string[] = [];
      for (let folder = path; !(await isFolder(folder)); folder = dirname(folder)) missing.unshift(folder);
      for (const folder of missing) {
        await fs.mkdir(folder, { mode }).catch(async (error: unknown) => {
          // Another process was faster.
          if (codeOf(error) !== 'EEXIST' || !(await isFolder(folder))) throw error;
        });
        await syncFolder(dirname(folder));
      }
    },

    async write(path, bytes) {
      const file = await fs.open(path, 'wx', 0o644);
      try {
        await file.writeFile(bytes);
        await file.sync();
      } finally {
        await file.close();
      }
    },

    async copy(source, path) {
      await fs.copyFile(source, path, constants.COPYFILE_EXCL | constants.COPYFILE_FICLONE);
      const file = await fs.open(path, 'r+');
      try {
        await file.sync();
      } finally {
        await file.close();
      }
    },
  };
}
