import { getSystemErrorMessage } from 'node:util';
import { ImageError } from '../../../core/domain/errors.ts';
import { FILE_REPLACED } from './writer/same-file.ts';
import { WriterEndedError } from './writer/writer.ts';

/**
 * Maps an error of SQLite, its thread or the file system to the `ImageError` that the port promises. Any other is a defect, returned
 * unchanged.
 */
export function asImageError(error: unknown, path: string): unknown {
  if (error instanceof WriterEndedError)
    return unavailable(`the database ${path} cannot be used: ${error.message}`, { cause: error });
  if (!(error instanceof Error) || !('code' in error) || error instanceof ImageError) return error;
  const options = { cause: error };
  const full = () => new ImageError('storage_full', `no space is left for the database ${path}`, options);

  if (error.code === 'ENOSPC' || error.code === 'EDQUOT') return full();
  if (error.code === FILE_REPLACED) return unavailable(error.message, options);
  if ('syscall' in error)
    return unavailable(`the database ${path} cannot be used: ${systemFault(error as NodeJS.ErrnoException)}`, options);
  if (error.code === 'ERR_INVALID_STATE') return unavailable(`the database ${path} is closed`, options);
  if (error.code !== 'ERR_SQLITE_ERROR' || !('errcode' in error)) return error;

  const extended = Number(error.errcode);
  // The shared memory file of the write-ahead log could not grow, for lack of space.
  if (extended === SQLITE_IOERR_SHMSIZE) return full();
  switch (extended & PRIMARY_CODE) {
    case SQLITE_FULL:
      return full();
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
      return unavailable(`the database ${path} is locked by another program`, options);
    case SQLITE_CORRUPT:
    case SQLITE_NOTADB:
      return unavailable(
        `the database ${path} is damaged or not an SQLite database; restore it from a backup`,
        options,
      );
    case SQLITE_ERROR:
    case SQLITE_CONSTRAINT:
    case SQLITE_MISUSE:
      return error;
    default:
      return unavailable(`the database ${path} cannot be used: ${error.message}`, options);
  }
}

/** What the file system has against a file or folder, such as `permission denied (EACCES) at .data`. */
function systemFault(error: NodeJS.ErrnoException): string {
  const { errno, code, path } = error;
  if (errno === undefined) return error.message;
  return `${getSystemErrorMessage(errno)} (${code})${path === undefined ? '' : ` at ${path}`}`;
}

/** An `ImageError` with `storage_unavailable` and a retry hint of five seconds. */
export function unavailable(detail: string, options?: ErrorOptions): ImageError {
  return new ImageError('storage_unavailable', detail, { ...options, retryAfterSeconds: 5 });
}

/** True for the `ImageError` of a write whose thread died before it answered: what it writes may be stored all the same. */
export function isThreadLost(error: unknown): boolean {
  return error instanceof ImageError && error.cause instanceof WriterEndedError;
}

/** True when another connection holds a lock that SQLite needs. */
export function isBusy(error: unknown): boolean {
  return error instanceof Error && 'errcode' in error && (Number(error.errcode) & PRIMARY_CODE) === SQLITE_BUSY;
}

// Result codes of SQLite, https://sqlite.org/rescode.html. The low byte of an extended code is its primary code.
const PRIMARY_CODE = 0xff;
const SQLITE_ERROR = 1;
const SQLITE_BUSY = 5;
const SQLITE_LOCKED = 6;
const SQLITE_CORRUPT = 11;
const SQLITE_FULL = 13;
const SQLITE_CONSTRAINT = 19;
const SQLITE_MISUSE = 21;
const SQLITE_NOTADB = 26;
const SQLITE_IOERR_SHMSIZE = 4874;
