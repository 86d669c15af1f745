import { ImageError } from '../../../core/domain/errors.ts';

/** Faults of SQLite and of the file system as the port promises them; anything else is a defect and stays as it is. */
export function asImageError(error: unknown, path: string): unknown {
  if (!(error instanceof Error) || !('code' in error) || error instanceof ImageError) return error;
  const options = { cause: error };
  const full = () => new ImageError('storage_full', `no room is left for the database ${path}`, options);

  if (error.code === 'ENOSPC' || error.code === 'EDQUOT') return full();
  if ('syscall' in error) return unavailable(`the database ${path} cannot be used: ${error.message}`, options);
  if (error.code === 'ERR_INVALID_STATE') return unavailable(`the database ${path} is closed`, options);
  if (error.code !== 'ERR_SQLITE_ERROR' || !('errcode' in error)) return error;

  const extended = Number(error.errcode);
  // The shared memory file could not grow: SQLite has a code of its own for it, and want of room is its reason.
  if (extended === SQLITE_IOERR_SHMSIZE) return full();
  switch (extended & 0xff) {
    case SQLITE_FULL:
      return full();
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
      return unavailable(`the database ${path} is locked by another program`, options);
    case SQLITE_CORRUPT:
    case SQLITE_NOTADB:
      return unavailable(`the database ${path} is damaged or is no SQLite database; restore it from a backup`, options);
    case SQLITE_ERROR:
    case SQLITE_CONSTRAINT:
    case SQLITE_MISUSE:
      return error;
    default:
      return unavailable(`the database ${path} cannot be used: ${error.message}`, options);
  }
}

/** The database cannot be used at the moment; trying again in a few seconds may help. */
export function unavailable(detail: string, options?: ErrorOptions): ImageError {
  return new ImageError('storage_unavailable', detail, { ...options, retryAfterSeconds: 5 });
}

/** Result codes of SQLite, https://sqlite.org/rescode.html. The low byte of an extended code is its primary code. */
const SQLITE_ERROR = 1;
const SQLITE_BUSY = 5;
const SQLITE_LOCKED = 6;
const SQLITE_CORRUPT = 11;
const SQLITE_FULL = 13;
const SQLITE_CONSTRAINT = 19;
const SQLITE_MISUSE = 21;
const SQLITE_NOTADB = 26;
const SQLITE_IOERR_SHMSIZE = 4874;
