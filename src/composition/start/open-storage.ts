/** Opens what the settings of storage lead to, and says which setting is at fault where that fails. */

import { dirname, resolve } from 'node:path';
import type { Logger } from 'pino';
import { openSqliteRecords } from '../../adapters/records/sqlite/records.ts';
import { SCHEMA_VERSION } from '../../adapters/records/sqlite/schema/migrations.ts';
import { createDiskStore } from '../../adapters/storage/disk.ts';
import { lockFolder } from '../../adapters/storage/folder-lock.ts';
import type { DiskSettings, SqliteSettings } from '../../config/storage-settings.ts';
import { faultFields, ImageError, MediaInUseError } from '../../core/domain/errors.ts';
import type { Clock } from '../../core/ports/clock.ts';
import { takeLock } from '../../core/ports/lock-wait.ts';
import type { Locks } from '../../core/ports/locks.ts';
import type { MediaStore } from '../../core/ports/media-store.ts';
import type { RecordStore } from '../../core/ports/record-store.ts';
import { claimStore, type FirstMark } from '../../core/retention/claim.ts';

/**
 * Opens the database. Raises `DatabaseInUseError` while another process uses it, and `ImageError` with a message that names the setting
 * where it cannot be made or read.
 */
export function openRecords(
  { path }: Pick<SqliteSettings, 'path'>,
  derive: Parameters<typeof openSqliteRecords>[0]['derive'],
  log: Logger,
): ReturnType<typeof openSqliteRecords> {
  try {
    return openSqliteRecords({
      path,
      derive,
      onMigrated: (from) =>
        log.info(
          { database: resolve(path), from, to: SCHEMA_VERSION },
          'the database was migrated; an older Easel does not open it any more',
        ),
    });
  } catch (error) {
    throw namingSetting('DATABASE_URL', dirname(resolve(path)), error);
  }
}

/**
 * Opens the folder of the pictures for this database alone. Raises `MediaInUseError` while another process of this machine uses it,
 * `ForeignMediaError` where it belongs to another database, and `ImageError` with a message that names the setting where it cannot be
 * made or read.
 */
export async function openMediaFolder(
  { root, adopt }: Pick<DiskSettings, 'root' | 'adopt'>,
  records: RecordStore,
  log: Logger,
  opened: AsyncDisposableStack,
): Promise<MediaStore> {
  const store = await createDiskStore({ root }).catch((error: unknown) => {
    throw namingSetting('MEDIA_DIR', resolve(root), error);
  });
  opened.defer(lockIfPossible(root, log));
  await claimStore({ store, records, place: `the folder ${root}`, adopt, log });
  return store;
}

/** What another replica has left under a temporary name for longer than this, in milliseconds, it does not write any more. */
const TEMPORARY_AGE_MS = 3_600_000;

/**
 * Opens the folder of the pictures that all replicas share. Raises `StorageSetupError` where it is not the one that the others use, and
 * what `openMediaFolder` raises; no process locks it.
 */
export async function openSharedFolder(
  { root, adopt }: Pick<DiskSettings, 'root' | 'adopt'>,
  { records, firstMark, locks, clock, log }: SharedFolderParts,
): Promise<MediaStore> {
  const store = await createDiskStore({ root, temporaryAgeMs: TEMPORARY_AGE_MS }).catch((error: unknown) => {
    throw namingSetting('MEDIA_DIR', resolve(root), error);
  });
  await using _ = await takeLock(locks, 'media mark', { clock });
  await claimStore({ store, records, place: `the folder ${root}`, firstMark, adopt, log });
  return store;
}

interface SharedFolderParts {
  readonly records: RecordStore;
  readonly firstMark: FirstMark;
  readonly locks: Locks;
  readonly clock: Pick<Clock, 'sleep'>;
  readonly log: Logger;
}

/** Locks the folder where that is possible. Returns the function that releases it. */
export function lockIfPossible(root: string, log: Logger): () => void {
  try {
    return lockFolder(root);
  } catch (error) {
    if (error instanceof MediaInUseError) throw error;
    // On a read-only or full disk nothing can be written over, and the pictures that are there can be served.
    log.warn(faultFields(error), `the folder ${root} could not be locked: no second service may use it`);
    return () => undefined;
  }
}

/** SQLite's code for a file that it can neither open nor make (https://sqlite.org/rescode.html). */
const SQLITE_CANTOPEN = 14;

/** An expected error with the setting before its message, and in words where the system's say little. Any other is returned unchanged. */
function namingSetting(setting: string, folder: string, error: unknown): unknown {
  if (!(error instanceof ImageError)) return error;
  const { code, errcode } = (error.cause ?? {}) as { readonly code?: unknown; readonly errcode?: unknown };
  let detail = error.message;
  if (code === 'EEXIST' || code === 'ENOTDIR') detail = `a file stands in the way of the folder ${folder}`;
  if ((Number(errcode) & 0xff) === SQLITE_CANTOPEN) {
    detail += `: it must lead to a file that this user may write to, in a folder that it may write to`;
  }
  return new ImageError(error.code, `${setting}: ${detail}`, { cause: error });
}
