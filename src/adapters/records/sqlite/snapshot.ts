import { copyFileSync, existsSync, rmSync } from 'node:fs';
import { DatabaseSync } from 'node:sqlite';
import { ImageError } from '../../../core/domain/errors.ts';
import type { Image } from '../../../core/domain/image.ts';
import { asImageError, unavailable } from './errors.ts';
import { migrate, SCHEMA_VERSION, schemaVersion } from './schema/migrations.ts';
import { IS_READABLE } from './schema/unreadable.ts';

/** A copy of a database, at one moment. */
export interface DatabaseSnapshot extends Disposable {
  readonly schemaVersion: number;
  /** The id that the media store is marked with; null for a database that no service has used yet. */
  readonly identity: string | null;
  /** Every image that can be read. */
  images(): IterableIterator<Image>;
}

/** How long to wait for another program's lock, in milliseconds. A service holds its own for as long as one commit. */
const BUSY_TIMEOUT_MS = 10_000;

/** Raises `ImageError` where there is no file at `path`. */
export function assertDatabase(path: string): void {
  if (!existsSync(path)) throw new ImageError('storage_unavailable', `there is no database ${path}`);
}

/**
 * Copies the database at `path`, in use or not, into the new file `target`. One statement is one read transaction: the copy is of one
 * moment, and writers are not held up. SQLite's backup interface would begin again with every write of another process. All rows are
 * read, so that a damaged database is found. Raises `ImageError` where there is none, or it cannot be read, or the copy has no room.
 */
export function copyDatabase(path: string, target: string): void {
  assertDatabase(path);
  try {
    const database = new DatabaseSync(path, { readOnly: true, timeout: BUSY_TIMEOUT_MS });
    try {
      database.prepare('VACUUM INTO ?').run(target);
    } finally {
      database.close();
    }
  } catch (error) {
    throw asImageError(error, path);
  }
}

/**
 * Opens a copy that `copyDatabase` made, of this Easel or an older one. `schemaVersion` is the copy's own. An older copy stays as it is: it
 * is read through the file `spare`, which is migrated, and removed at the end. Raises `ImageError` for a database of a newer Easel.
 */
export function openSnapshot(path: string, spare: string): DatabaseSnapshot {
  try {
    const version = versionOf(path);
    if (version === 0) throw unavailable('the database is empty: no Easel has used it yet');
    if (version > SCHEMA_VERSION) {
      throw unavailable(
        `the database has schema ${version} and this Easel knows up to ${SCHEMA_VERSION}: back it up with the Easel that wrote it`,
      );
    }
    if (version < SCHEMA_VERSION) copyMigrated(path, spare);
    const database = new DatabaseSync(version < SCHEMA_VERSION ? spare : path, { readOnly: true });
    const uuid = database.prepare('SELECT uuid FROM identity').get()?.uuid;
    return {
      schemaVersion: version,
      identity: uuid === undefined ? null : String(uuid),
      *images() {
        const rows = database.prepare(`SELECT document FROM images WHERE ${IS_READABLE}`).iterate();
        for (const { document } of rows) yield JSON.parse(String(document)) as Image;
      },
      [Symbol.dispose]() {
        database.close();
        rmSync(spare, { force: true });
      },
    };
  } catch (error) {
    throw asImageError(error, path);
  }
}

function versionOf(path: string): number {
  const database = new DatabaseSync(path, { readOnly: true });
  try {
    return schemaVersion(database);
  } finally {
    database.close();
  }
}

/** Copies a database that no process uses, and migrates the copy. */
function copyMigrated(path: string, target: string): void {
  copyFileSync(path, target);
  const database = new DatabaseSync(target, { enableForeignKeyConstraints: false });
  try {
    database.exec('BEGIN');
    migrate(database);
    database.exec('COMMIT');
  } finally {
    database.close();
  }
}
