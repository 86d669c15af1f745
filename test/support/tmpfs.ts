import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmdirSync } from 'node:fs';
import { mkdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/** A small disk in memory that can be filled to the last byte. */
export interface Tmpfs {
  readonly path: string;
  fill(): Promise<void>;
  /** Removes what `fill` wrote. */
  empty(): Promise<void>;
  /** Remounts the disk read-only, or writable again. */
  setReadOnly(readOnly: boolean): void;
  unmount(): Promise<void>;
}

/** Whether this user may mount: root on Linux, outside of most containers. Elsewhere the tests that need it are reported as skipped. */
export const canMountTmpfs = tryMount();

/** Mounts a disk of `size` (in the notation of mount(8): `2m`) on the new folder `path`. */
export async function mountTmpfs(path: string, size: string): Promise<Tmpfs> {
  await mkdir(path);
  mount(path, size);
  const filler = join(path, '.filler');
  return {
    path,
    async fill() {
      // Single pages last, since a large write is refused while a part of the disk is still free.
      for (const size of [1024 * 1024, 4096]) {
        while (await append(filler, Buffer.alloc(size)));
      }
    },
    empty: () => rm(filler, { force: true }),
    setReadOnly(readOnly) {
      execFileSync('mount', ['-o', `remount,${readOnly ? 'ro' : 'rw'}`, path], { stdio: 'ignore' });
    },
    async unmount() {
      unmount(path);
    },
  };
}

/** Appends the bytes; false where the disk was full. */
async function append(path: string, bytes: Uint8Array): Promise<boolean> {
  try {
    await writeFile(path, bytes, { flag: 'a' });
    return true;
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOSPC') return false;
    throw error;
  }
}

function tryMount(): boolean {
  if (process.platform !== 'linux' || process.getuid?.() !== 0) return false;
  const path = mkdtempSync(join(tmpdir(), 'easel-mount-'));
  try {
    mount(path, '1m');
    unmount(path);
    return true;
  } catch {
    return false;
  } finally {
    rmdirSync(path);
  }
}

function mount(path: string, size: string): void {
  execFileSync('mount', ['-t', 'tmpfs', '-o', `size=${size}`, 'tmpfs', path], { stdio: 'ignore' });
}

function unmount(path: string): void {
  // Lazily, so that a test that fails with a file open leaves no mount behind.
  execFileSync('umount', ['--lazy', path], { stdio: 'ignore' });
}
