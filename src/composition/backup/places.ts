import type { Config } from '../../config/config.ts';
import type { DiskSettings, SqliteSettings } from '../../config/storage-settings.ts';
import { BackupError } from './backup-error.ts';

/** The file and the folder that a backup is made of, and that it is restored to. */
export interface BackupPlaces {
  readonly records: Pick<SqliteSettings, 'path'>;
  readonly media: Pick<DiskSettings, 'root' | 'adopt'>;
}

/** The places of an installation with SQLite and a folder. Raises `BackupError` for any other, whose engines have backups of their own. */
export function backupPlaces({ records, media }: Pick<Config, 'records' | 'media'>): BackupPlaces {
  if (records.kind === 'postgres') {
    throw new BackupError(
      'DATABASE_URL leads to PostgreSQL: back it up and restore it with pg_dump and pg_restore, and ' +
        (media.kind === 's3' ? "the pictures with the bucket's own versioning" : 'then copy MEDIA_DIR'),
      { isWrongUse: true },
    );
  }
  if (media.kind === 's3') {
    throw new BackupError(
      "S3_BUCKET holds the pictures: keep them by the bucket's own versioning, and copy the file of DATABASE_URL with sqlite3's .backup",
      { isWrongUse: true },
    );
  }
  return { records, media };
}
