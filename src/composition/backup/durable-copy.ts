import { createHash } from 'node:crypto';
import { constants, createReadStream } from 'node:fs';
import * as fileSystem from 'node:fs/promises';
import { chmod, copyFile, type FileHandle, open, rename } from 'node:fs/promises';
import { dirname } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { createDurableFiles } from '../../adapters/storage/durable-files.ts';

/** SHA-256 of a file, in hex, and its size in bytes. */
export interface Digest {
  readonly sha256: string;
  readonly bytes: number;
}

/** The digest of the file at `path`; null where there is none. Raises the file system's error for any other fault. */
export async function digestOf(path: string): Promise<Digest | null> {
  const hash = createHash('sha256');
  let bytes = 0;
  try {
    await pipeline(createReadStream(path), async (chunks: AsyncIterable<Buffer>) => {
      for await (const chunk of chunks) {
        bytes += chunk.length;
        hash.update(chunk);
      }
    });
  } catch (error) {
    if (isMissing(error)) return null;
    throw error;
  }
  return { sha256: hash.digest('hex'), bytes };
}

/**
 * Copies a file durably, for its user alone (mode 0600), and returns the digest of the copy, which is read back; null where there is no
 * file `source`. It shares blocks with the source where the file system can (Btrfs, XFS), and is no hard link: damage to one of the two
 * in place must leave the other.
 */
export async function copyDurably(source: string, target: string): Promise<Digest | null> {
  try {
    await copyFile(source, target, constants.COPYFILE_FICLONE);
  } catch (error) {
    if (isMissing(error)) return null;
    throw error;
  }
  await chmod(target, 0o600);
  await syncFile(target);
  return await digestOf(target);
}

/** Makes a folder and missing ones above it durably, for its user alone (mode 0700). Raises the file system's error. */
export async function makeFolder(path: string): Promise<void> {
  await createDurableFiles(fileSystem).makeFolder(path, 0o700);
}

/** Gives a durable file its final name, durably, in place of what has that name. */
export async function renameDurably(from: string, to: string): Promise<void> {
  await rename(from, to);
  await syncFolder(dirname(to));
}

/** Makes the content of a file durable. */
export async function syncFile(path: string): Promise<void> {
  await syncAndClose(await open(path, 'r+'));
}

/** Makes the names in a folder durable. */
export async function syncFolder(path: string): Promise<void> {
  await syncAndClose(await open(path, 'r'));
}

async function syncAndClose(file: FileHandle): Promise<void> {
  try {
    await file.sync();
  } finally {
    await file.close();
  }
}

function isMissing(error: unknown): boolean {
  return (error as NodeJS.ErrnoException).code === 'ENOENT';
}
