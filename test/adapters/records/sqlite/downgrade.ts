import { execute } from './fixture.ts';

/** What the migrations add, undone: entry n takes a database and its documents from version n + 3 to n + 2. */
const UNDO: readonly string[] = [
  `DROP TABLE spending;
   UPDATE images SET document = json_set(json_remove(document, '$.estimate'), '$.attempts', (
     SELECT json_group_array(json_remove(value, '$.model', '$.cost')) FROM json_each(document, '$.attempts')))`,
  `DROP INDEX images_pending;
   UPDATE images SET document = json_remove(document, '$.pending', '$.dominantColour')`,
  'DROP TABLE deliveries',
  `DROP TABLE largest_usage;
   DROP INDEX images_by_request;
   DROP INDEX images_by_expiry;
   ALTER TABLE images DROP COLUMN requested_at;
   CREATE INDEX images_by_expiry ON images (status, expires_at, created_at, media_id);
   UPDATE images SET document = json_set(json_remove(document, '$.allowanceFrom', '$.requestedAt'), '$.attempts', (
     SELECT json_group_array(json_remove(value, '$.announced')) FROM json_each(document, '$.attempts')))`,
  `DROP TABLE identity;
   DROP TABLE unreadable_images;
   ALTER TABLE deliveries RENAME TO outbox;
   DROP INDEX deliveries_by_image;
   DROP INDEX deliveries_due;
   CREATE TABLE deliveries (
     number   INTEGER PRIMARY KEY,
     id       TEXT NOT NULL UNIQUE,
     media_id TEXT NOT NULL REFERENCES images (media_id) ON DELETE CASCADE,
     receiver TEXT NOT NULL,
     due_at   INTEGER,
     document TEXT NOT NULL,
     image    TEXT NOT NULL
   ) STRICT;
   CREATE INDEX deliveries_by_image ON deliveries (media_id, number);
   CREATE INDEX deliveries_due ON deliveries (due_at, receiver, id) WHERE due_at IS NOT NULL;
   INSERT INTO deliveries SELECT number, id, media_id, receiver, due_at, document, image FROM outbox;
   DROP TABLE outbox`,
  `DROP TRIGGER images_inserted;
   DROP TRIGGER images_deleted;
   DROP TRIGGER images_updated;
   ALTER TABLE images ADD COLUMN fingerprint TEXT NOT NULL DEFAULT '1:abc';
   ALTER TABLE images ADD COLUMN bytes INTEGER NOT NULL DEFAULT 27;
   ALTER TABLE totals ADD COLUMN bytes INTEGER NOT NULL DEFAULT 27;
   UPDATE images SET document = json_set(document, '$.fingerprint', '1:abc') WHERE json_valid(document);
   CREATE TRIGGER images_inserted AFTER INSERT ON images BEGIN
     INSERT INTO totals VALUES (NEW.status, 1, NEW.bytes)
       ON CONFLICT DO UPDATE SET images = images + 1, bytes = bytes + NEW.bytes;
   END;
   CREATE TRIGGER images_deleted AFTER DELETE ON images BEGIN
     UPDATE totals SET images = images - 1, bytes = bytes - OLD.bytes WHERE status = OLD.status;
   END;
   CREATE TRIGGER images_updated AFTER UPDATE OF status, bytes ON images
   WHEN OLD.status <> NEW.status OR OLD.bytes <> NEW.bytes BEGIN
     UPDATE totals SET images = images - 1, bytes = bytes - OLD.bytes WHERE status = OLD.status;
     INSERT INTO totals VALUES (NEW.status, 1, NEW.bytes)
       ON CONFLICT DO UPDATE SET images = images + 1, bytes = bytes + NEW.bytes;
   END`,
  `DROP TRIGGER labels_inserted;
   DROP TRIGGER labels_updated;
   DROP INDEX labels_by_status;
   DROP INDEX labels_by_owner;
   DROP INDEX images_by_owner;
   ALTER TABLE labels DROP COLUMN owner;
   ALTER TABLE labels DROP COLUMN status;
   CREATE INDEX labels_by_age ON labels (label, created_at, media_id);
   CREATE INDEX images_by_owner ON images (owner, created_at, media_id)`,
  `DROP INDEX images_by_call;
   DROP INDEX images_by_digest;
   ALTER TABLE images DROP COLUMN call_id;
   ALTER TABLE images DROP COLUMN call_index;
   ALTER TABLE images DROP COLUMN call_digest;
   ALTER TABLE images DROP COLUMN call_ended_at`,
  'DROP TABLE shared_files',
  `DROP TRIGGER labels_counted;
   DROP TRIGGER labels_moved;
   DROP TRIGGER labels_deleted;
   DROP TABLE label_totals;
   DROP TABLE search`,
  `DROP TABLE stage_times;
   DROP INDEX deliveries_by_state;
   DROP INDEX deliveries_by_owner;
   ALTER TABLE deliveries DROP COLUMN state;
   ALTER TABLE deliveries DROP COLUMN owner`,
];

/** Takes a closed database back to an earlier version of the schema, from 2 on. */
export function downgrade(path: string, version: number): void {
  for (const statement of UNDO.slice(version - 2).reverse()) execute(path, statement);
  execute(path, `PRAGMA user_version = ${version}`);
}
