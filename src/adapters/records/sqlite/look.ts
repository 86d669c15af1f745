import { existsSync } from 'node:fs';
import { DatabaseSync } from 'node:sqlite';
import { DatabaseInUseError } from '../../../core/domain/errors.ts';
import { asImageError } from './errors.ts';
import { lockDatabase } from './lock.ts';
import { SCHEMA_VERSION, schemaVersion } from './schema/migrations.ts';

/** What there is at the path of a database. */
export interface DatabaseLook {
  /** The version of its tables, and that of this Easel. */
  readonly schema: number;
  readonly knownSchema: number;
  /** The process that uses it, such as `pid 7 on web-1`; null for none. */
  readonly holder: string | null;
}

/**
 * Looks at the database, also beside a process that uses it, and changes nothing in it; null where there is none yet. Raises `ImageError`
 * where it cannot be read.
 */
export function lookAtDatabaseFile(path: string): DatabaseLook | null {
  if (!existsSync(path)) return null;
  try {
    const holder = holderOf(path);
    const database = new DatabaseSync(path, { readOnly: true });
    try {
      return { schema: schemaVersion(database), knownSchema: SCHEMA_VERSION, holder };
    } finally {
      database.close();
    }
  } catch (error) {
    throw asImageError(error, path);
  }
}

function holderOf(path: string): string | null {
  try {
    lockDatabase(path).release();
    return null;
  } catch (error) {
    if (error instanceof DatabaseInUseError) return error.holder;
    throw error;
  }
}
