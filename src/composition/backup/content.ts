import { randomUUID } from 'node:crypto';
import { readdir, rm, rmdir } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { copyDurably, type Digest, digestOf, makeFolder, renameDurably } from './durable-copy.ts';

/** The files of a backup, each under the SHA-256 of its content: what an earlier backup needs is never written over. */
export interface Content {
  /** Makes the folders, and removes what an interrupted backup left behind. Call before the first `add`. */
  prepare(): Promise<void>;
  /** Where the content with this hash is, or would be. */
  path(sha256: string): string;
  /** The digest of the content, which is read, once, to find out whether it is there and has this hash; else null. */
  find(sha256: string): Promise<Digest | null>;
  /**
   * Copies the file at `source`, and returns the digest of what was copied. Keeps nothing, and returns null, where there is no such file;
   * keeps nothing, and returns the digest, where it is not `expected`, if that is given.
   */
  add(source: string, expected?: string): Promise<Digest | null>;
  /** A free name for a file, on the file system of the backup. */
  temporary(): string;
  /** Removes the temporary files, of an interrupted backup too. */
  removeTemporary(): Promise<void>;
  /** Removes every content that is not in `hashes`. */
  removeOthers(hashes: ReadonlySet<string>): Promise<void>;
}

/** Opens the content of the backup in `folder`. Nothing is written or removed before `prepare`. */
export function openContent(folder: string): Content {
  const root = join(folder, 'content');
  const temporaryRoot = join(folder, 'tmp');
  const sound = new Map<string, Digest>();
  // Two digits are a folder: some file systems are slow with folders of many files.
  const path = (sha256: string) => join(root, sha256.slice(0, 2), sha256);
  const temporary = () => join(temporaryRoot, randomUUID());

  const removeTemporary = () => rm(temporaryRoot, { recursive: true, force: true });

  return {
    async prepare() {
      await removeTemporary();
      for (const made of [root, temporaryRoot]) await makeFolder(made);
    },

    removeTemporary,

    path,
    temporary,

    async find(sha256) {
      const known = sound.get(sha256);
      if (known !== undefined) return known;
      const digest = await digestOf(path(sha256));
      if (digest?.sha256 !== sha256) return null;
      sound.set(sha256, digest);
      return digest;
    },

    async add(source, expected) {
      const copy = temporary();
      try {
        const digest = await copyDurably(source, copy);
        if (digest === null || (expected !== undefined && digest.sha256 !== expected)) return digest;
        const target = path(digest.sha256);
        await makeFolder(dirname(target));
        await renameDurably(copy, target);
        sound.set(digest.sha256, digest);
        return digest;
      } finally {
        await rm(copy, { force: true });
      }
    },

    async removeOthers(hashes) {
      for (const name of await readdir(root)) {
        if (!/^[0-9a-f]{2}$/.test(name)) continue;
        const shelf = join(root, name);
        for (const sha256 of await readdir(shelf)) {
          if (/^[0-9a-f]{64}$/.test(sha256) && !hashes.has(sha256)) await rm(join(shelf, sha256), { force: true });
        }
        // It stays where something is left in it.
        await rmdir(shelf).catch(() => undefined);
      }
    },
  };
}
