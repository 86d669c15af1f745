import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmdirSync } from 'node:fs';
import { mkdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/** A small disk in memory that can be filled to the last byte. */
export interface Tmpfs {
  readonly path: string;
  fill(): Promise<void>;
  /** Takes away what `fill` wrote. */
  empty(): Promise<void>;
  unmount(): Promise<void>;
}

/** Whether this user may mount: root on Linux, outside of most containers. Elsewhere the tests that need it are reported as skipped. */
export const canMountTmpfs = tryMount();

/** Mounts a disk of `size` (as mount writes it, `2m`) on a new folder. */
export async function mountTmpfs(path: string, size: string): Promise<Tmpfs> {
  await mkdir(path);
  mount(path, size);
  const filler = join(path, '.filler');
  return {
    path,
    async fill() {
      // In single pages, since one large write is refused with a part of the disk still free.
      const page = Buffer.alloc(4096);
      for (;;) {
        try {
          await writeFile(filler, page, { flag: 'a' });
        } catch (error) {
          if (error instanceof Error && 'code' in error && error.code === 'ENOSPC') return;
          throw error;
        }
      }
    },
    empty: () => rm(filler, { force: true }),
    async unmount() {
      unmount(path);
    },
  };
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
