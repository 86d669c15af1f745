import type * as nodeFileSystem from 'node:fs/promises';
import { getSystemErrorMessage } from 'node:util';
import { ImageError } from '../../core/domain/errors.ts';

/** The part of `node:fs/promises` that the store uses, so that a test can make single calls fail. */
export type FileSystem = Pick<
  typeof nodeFileSystem,
  | 'copyFile'
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
>;

/** The error's code, such as `ENOENT`; null for an error that has none. */
export function codeOf(error: unknown): string | null {
  return error instanceof Error && 'code' in error && typeof error.code === 'string' ? error.code : null;
}

/** For `.catch()`: resolves to undefined when the file or folder does not exist, and rethrows any other error. */
export function ignoreMissing(error: unknown): undefined {
  if (codeOf(error) !== 'ENOENT') throw error;
}

/**
 * Maps an error of the file system to the `ImageError` that `MediaStore` promises. Any other error is a defect and is returned unchanged.
 * `action` and `path` say in the message what failed, where the error itself names no path.
 */
export function asImageError(error: unknown, action: 'read' | 'write to', path: string): unknown {
  const code = codeOf(error);
  if (error instanceof ImageError || code === null || !(error instanceof Error) || !('errno' in error)) return error;
  const place = 'path' in error && typeof error.path === 'string' ? error.path : path;
  const detail = `cannot ${action} ${place}: ${getSystemErrorMessage(Number(error.errno))} (${code})`;
  return code === 'ENOSPC' || code === 'EDQUOT'
    ? new ImageError('storage_full', detail, { cause: error })
    : new ImageError('storage_unavailable', detail, {
        cause: error,
        retryAfterSeconds: 5,
        isLasting: action === 'write to' && IN_THE_WAY.has(code),
      });
}

/** Errors of a write where a folder stands in the place of the file. */
const IN_THE_WAY: ReadonlySet<string> = new Set(['EISDIR', 'ENOTEMPTY', 'EEXIST']);
