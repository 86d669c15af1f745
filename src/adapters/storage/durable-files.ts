import { constants } from 'node:fs';
import { dirname } from 'node:path';
import type { FileSystem } from './file-system.ts';

/**
 * Writes that survive a power cut once they have resolved; the name of a file only once `syncFolder` has. Errors of the file system
 * pass through unchanged.
 */
interface DurableFiles {
  /** Makes the folder and missing ones above it (mode 0755), each with a durable entry in its parent. */
  makeFolder(path: string): Promise<void>;
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

  return {
    syncFolder,

    async makeFolder(path) {
      // mkdir returns the topmost folder that it made, and undefined when all of them existed.
      const topmost = await fs.mkdir(path, { recursive: true, mode: 0o755 });
      if (topmost === undefined) return;
      for (let made = path; made.length >= topmost.length; made = dirname(made)) await syncFolder(dirname(made));
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
