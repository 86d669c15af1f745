import type { DatabaseSync } from 'node:sqlite';

/** Images whose document is no JSON of theirs, set aside as they were found by a migration. */
export const UNREADABLE_IMAGES = `
  CREATE TABLE IF NOT EXISTS unreadable_images (
    media_id        TEXT NOT NULL PRIMARY KEY,
    owner           TEXT NOT NULL,
    idempotency_key TEXT,
    document        TEXT NOT NULL
  ) STRICT;

  CREATE INDEX IF NOT EXISTS unreadable_images_by_idempotency_key ON unreadable_images (owner, idempotency_key);
`;

/** The condition that an image's document can be read; SQLite evaluates no more of a CASE than it needs. */
export const IS_READABLE = `CASE WHEN json_valid(document) THEN document ->> '$.mediaId' = media_id ELSE 0 END`;

/** Moves images that cannot be read, which would fail every migration that touches documents, out of its way. */
export function setAsideUnreadable(database: DatabaseSync): void {
  database.exec(UNREADABLE_IMAGES);
  if (!database.prepare(`SELECT 1 FROM images WHERE NOT ${IS_READABLE} LIMIT 1`).get()) return;
  // This index reads the documents of the rows that leave it.
  const index = database.prepare(`SELECT sql FROM sqlite_schema WHERE name = 'images_pending'`).get();
  database.exec(`
    DROP INDEX IF EXISTS images_pending;
    INSERT INTO unreadable_images SELECT media_id, owner, idempotency_key, document FROM images WHERE NOT ${IS_READABLE};
    DELETE FROM images WHERE media_id IN (SELECT media_id FROM unreadable_images);
    DELETE FROM labels WHERE media_id IN (SELECT media_id FROM unreadable_images)`);
  if (index) database.exec(String(index.sql));
}
