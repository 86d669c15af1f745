import fs from 'node:fs/promises';
import { syncBuiltinESMExports } from 'node:module';
import { constants } from 'node:os';

/**
 * Makes one call of the file system fail with EIO for every path that ends in `end`, in this process, until it is disposed: a sector of
 * a disk that cannot be read, or a name that cannot be removed.
 */
export function failFiles(call: 'lstat' | 'unlink' | 'readFile' | 'rm', end: string): Disposable {
  const real = fs[call] as (...args: readonly unknown[]) => Promise<unknown>;
  const failing = async (...args: readonly unknown[]): Promise<unknown> => {
    const path = String(args[0]);
    if (!path.endsWith(end)) return await real(...args);
    throw Object.assign(new Error(`EIO: i/o error, ${call} '${path}'`), {
      code: 'EIO',
      errno: -constants.errno.EIO,
      syscall: call,
      path,
    });
  };
  Object.assign(fs, { [call]: failing });
  syncBuiltinESMExports();
  return {
    [Symbol.dispose]() {
      Object.assign(fs, { [call]: real });
      syncBuiltinESMExports();
    },
  };
}
