import type { DatabaseSync } from 'node:sqlite';
import { OPERATIONS_TABLES } from './operations-tables.ts';
import { SEARCH_TABLES } from './search-tables.ts';
import { setAsideUnreadable, UNREADABLE_IMAGES } from './unreadable.ts';

/**
 * The migrations: entry n takes a database from `user_version` n to n + 1.
 * A released entry is never changed. That includes its comments, whose terms and paths may be out of date. New ones are added at the end.
 */
const MIGRATIONS: readonly string[] = [
  `
  -- document is the image as JSON and the truth; the columns are copies of what is searched for.
  -- Times are milliseconds since 1970, so that they compare as time whatever form the text had.
  CREATE TABLE images (
    media_id        TEXT NOT NULL PRIMARY KEY,
    owner           TEXT NOT NULL,
    status          TEXT NOT NULL,
    fingerprint     TEXT NOT NULL,
    idempotency_key TEXT,
    created_at      INTEGER NOT NULL,
    expires_at      INTEGER,
    bytes           INTEGER NOT NULL,
    document        TEXT NOT NULL
  ) STRICT;

  CREATE UNIQUE INDEX images_by_idempotency_key ON images (owner, idempotency_key) WHERE idempotency_key IS NOT NULL;
  CREATE INDEX images_by_age ON images (created_at, media_id);
  CREATE INDEX images_by_owner ON images (owner, created_at, media_id);
  CREATE INDEX images_by_status ON images (status, created_at, media_id);
  CREATE INDEX images_by_expiry ON images (status, expires_at, created_at, media_id);
  CREATE INDEX images_unfinished ON images (created_at, media_id)
    WHERE status IN ('queued', 'generating', 'processing');

  CREATE TABLE labels (
    media_id   TEXT NOT NULL REFERENCES images (media_id) ON DELETE CASCADE,
    label      TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    PRIMARY KEY (media_id, label)
  ) STRICT, WITHOUT ROWID;

  CREATE INDEX labels_by_age ON labels (label, created_at, media_id);

  CREATE TABLE deletions (
    media_id TEXT NOT NULL PRIMARY KEY,
    names    TEXT NOT NULL
  ) STRICT, WITHOUT ROWID;

  -- What would take a scan of images to count, kept by the triggers below.
  CREATE TABLE totals (
    status TEXT NOT NULL PRIMARY KEY,
    images INTEGER NOT NULL,
    bytes  INTEGER NOT NULL
  ) STRICT, WITHOUT ROWID;

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
  END;

  -- The one row that the health check writes.
  CREATE TABLE probe (
    id    INTEGER PRIMARY KEY,
    count INTEGER NOT NULL
  ) STRICT;
  `,
  `
  -- One row: what the last cleanup did.
  CREATE TABLE last_cleanup (
    id     INTEGER PRIMARY KEY CHECK (id = 1),
    report TEXT NOT NULL
  ) STRICT;
  `,
  `
  -- The books, a running sum: see images/charges.ts. What is held back has the day ''.
  CREATE TABLE spending (
    day       TEXT NOT NULL,
    owner     TEXT NOT NULL,
    model     TEXT NOT NULL,
    images    INTEGER NOT NULL,
    micro_usd INTEGER NOT NULL,
    unpriced  INTEGER NOT NULL,
    PRIMARY KEY (day, owner, model)
  ) STRICT, WITHOUT ROWID;

  -- Records from before the books: the sum of an image's attempts goes to the last of them, and nothing is held back.
  UPDATE images SET document = json_set(document,
    '$.estimate', json('{"usd":0,"basis":"usage"}'),
    '$.attempts', (
      SELECT json_group_array(json_set(value,
        '$.model', document ->> 'model',
        '$.cost', json(iif(key = json_array_length(document, '$.attempts') - 1, document -> 'cost', '{"usd":0,"basis":"usage"}'))))
      FROM json_each(document, '$.attempts')));
  `,
  `
  -- Images whose slow renditions are still to be made are jobs too.
  UPDATE images SET document = json_set(document, '$.pending', json('[]'), '$.dominantColour', json('null'));

  CREATE INDEX images_pending ON images (created_at, media_id) WHERE json_array_length(document, '$.pending') > 0;
  `,
  `
  -- The outbox of webhooks. document is the delivery as JSON and the truth, image the image as it was when it ended.
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
  `,
  `
  -- Runs have a time of their own, from which retention counts, and a share in the allowance of unknown outcomes.
  -- What is known not to be billed had the cost basis 'usage' and has 'none', as has an image that cost nothing.
  UPDATE images SET document = json_set(document,
    '$.allowanceFrom', 1,
    '$.requestedAt', document ->> 'createdAt',
    '$.estimate', json(iif(document ->> '$.estimate.usd' = 0 AND document ->> '$.estimate.basis' = 'usage',
      '{"usd":0,"basis":"none"}', document -> '$.estimate')),
    '$.cost', json(iif(
      EXISTS (
        SELECT 1 FROM json_each(document, '$.attempts')
        WHERE value ->> '$.outcome' <> 'failed' OR ifnull(value ->> '$.cost.usd', 1) <> 0),
      document -> '$.cost', '{"usd":0,"basis":"none"}')),
    '$.attempts', (
      SELECT json_group_array(json_set(value,
        '$.announced', json('null'),
        '$.cost', json(iif(value ->> '$.outcome' = 'failed' AND ifnull(value ->> '$.cost.usd', 1) = 0,
          '{"usd":0,"basis":"none"}', value -> '$.cost'))))
      FROM json_each(document, '$.attempts')));

  ALTER TABLE images ADD COLUMN requested_at INTEGER NOT NULL DEFAULT 0;
  UPDATE images SET requested_at = created_at;
  CREATE INDEX images_by_request ON images (status, requested_at, media_id);
  DROP INDEX images_by_expiry;
  CREATE INDEX images_by_expiry ON images (status, expires_at, requested_at, media_id);

  -- The most output tokens that a call took; size is WxH.
  CREATE TABLE largest_usage (
    model         TEXT NOT NULL,
    quality       TEXT NOT NULL,
    size          TEXT NOT NULL,
    output_tokens INTEGER NOT NULL,
    PRIMARY KEY (model, quality, size)
  ) STRICT, WITHOUT ROWID;
  `,
  `
  -- One row, made at first use: what tells this database from every other.
  CREATE TABLE identity (
    id   INTEGER PRIMARY KEY CHECK (id = 1),
    uuid TEXT NOT NULL
  ) STRICT;

  -- The outbox lives by itself: a pending delivery outlives its image, and media_id refers to no row any more.
  CREATE TABLE outbox (
    number        INTEGER PRIMARY KEY,
    id            TEXT NOT NULL UNIQUE,
    media_id      TEXT NOT NULL,
    image_removed INTEGER NOT NULL DEFAULT 0,
    receiver      TEXT NOT NULL,
    due_at        INTEGER,
    document      TEXT NOT NULL,
    image         TEXT NOT NULL
  ) STRICT;
  -- Of the settled ones, the latest 20 of each image.
  INSERT INTO outbox (number, id, media_id, receiver, due_at, document, image)
    SELECT number, id, media_id, receiver, due_at, document, image FROM (
      SELECT *, row_number() OVER (PARTITION BY media_id, due_at IS NULL ORDER BY number DESC) AS age FROM deliveries)
    WHERE due_at IS NOT NULL OR age <= 20;
  DROP TABLE deliveries;
  ALTER TABLE outbox RENAME TO deliveries;
  CREATE INDEX deliveries_by_image ON deliveries (media_id, number);
  CREATE INDEX deliveries_due ON deliveries (due_at, receiver, id) WHERE due_at IS NOT NULL;
  ${UNREADABLE_IMAGES}`,
  `
  -- Requests are compared field by field, and the media store counts its bytes itself.
  DROP TRIGGER images_inserted;
  DROP TRIGGER images_deleted;
  DROP TRIGGER images_updated;
  ALTER TABLE images DROP COLUMN fingerprint;
  ALTER TABLE images DROP COLUMN bytes;
  ALTER TABLE totals DROP COLUMN bytes;
  UPDATE images SET document = json_remove(document, '$.fingerprint');

  CREATE TRIGGER images_inserted AFTER INSERT ON images BEGIN
    INSERT INTO totals VALUES (NEW.status, 1) ON CONFLICT DO UPDATE SET images = images + 1;
  END;

  CREATE TRIGGER images_deleted AFTER DELETE ON images BEGIN
    UPDATE totals SET images = images - 1 WHERE status = OLD.status;
  END;

  CREATE TRIGGER images_updated AFTER UPDATE OF status ON images WHEN OLD.status <> NEW.status BEGIN
    UPDATE totals SET images = images - 1 WHERE status = OLD.status;
    INSERT INTO totals VALUES (NEW.status, 1) ON CONFLICT DO UPDATE SET images = images + 1;
  END;
  `,
  `
  -- Lists by owner, by label and by status are read from one index in order, however many images fit only some of the filters. Labels
  -- have copies of the image's owner and status for this, which the triggers keep.
  DROP INDEX images_by_owner;
  CREATE INDEX images_by_owner ON images (owner, status, created_at, media_id);

  ALTER TABLE labels ADD COLUMN owner TEXT NOT NULL DEFAULT '';
  ALTER TABLE labels ADD COLUMN status TEXT NOT NULL DEFAULT '';
  UPDATE labels SET (owner, status) = (SELECT owner, status FROM images WHERE images.media_id = labels.media_id)
    WHERE media_id IN (SELECT media_id FROM images);
  DROP INDEX labels_by_age;
  CREATE INDEX labels_by_status ON labels (label, status, created_at, media_id);
  CREATE INDEX labels_by_owner ON labels (label, owner, status, created_at, media_id);

  CREATE TRIGGER labels_inserted AFTER INSERT ON labels BEGIN
    UPDATE labels SET (owner, status) = (SELECT owner, status FROM images WHERE media_id = NEW.media_id)
      WHERE media_id = NEW.media_id AND label = NEW.label;
  END;

  CREATE TRIGGER labels_updated AFTER UPDATE OF owner, status ON images
  WHEN OLD.owner <> NEW.owner OR OLD.status <> NEW.status BEGIN
    UPDATE labels SET owner = NEW.owner, status = NEW.status WHERE media_id = NEW.media_id;
  END;
  `,
  `
  -- Images that a call of the OpenAI dialect asked for are found by that call. call_ended_at is 9999-12-31 until the image ends.
  ALTER TABLE images ADD COLUMN call_id TEXT;
  ALTER TABLE images ADD COLUMN call_index INTEGER;
  ALTER TABLE images ADD COLUMN call_digest TEXT;
  ALTER TABLE images ADD COLUMN call_ended_at INTEGER;
  CREATE INDEX images_by_call ON images (call_id, call_index) WHERE call_id IS NOT NULL;
  CREATE INDEX images_by_digest ON images (owner, call_digest, call_ended_at, created_at, call_id, idempotency_key)
    WHERE call_digest IS NOT NULL;
  `,
  `
  -- Which images name which shared files: their inputs. A row refers to no row of images, so that it outlives one that is set aside as
  -- unreadable.
  CREATE TABLE shared_files (
    name     TEXT NOT NULL,
    media_id TEXT NOT NULL,
    PRIMARY KEY (name, media_id)
  ) STRICT, WITHOUT ROWID;

  CREATE INDEX shared_files_by_image ON shared_files (media_id);
  `,
  SEARCH_TABLES,
  OPERATIONS_TABLES,
];

/** The schema version after all migrations. */
export const SCHEMA_VERSION = MIGRATIONS.length;

/** The schema version of the database now; 0 for an empty file. */
export function schemaVersion(database: DatabaseSync): number {
  return Number(database.prepare('PRAGMA user_version').get()?.user_version);
}

/**
 * Runs the missing migrations up to `SCHEMA_VERSION`. Call inside a transaction, so that a crash leaves the old schema, and without
 * foreign keys, so that a table that is made anew takes no rows of others with it. Images that cannot be read are set aside first.
 */
export function migrate(database: DatabaseSync): void {
  const version = schemaVersion(database);
  if (version > 0) setAsideUnreadable(database);
  for (const migration of MIGRATIONS.slice(version)) database.exec(migration);
  database.exec(`PRAGMA user_version = ${SCHEMA_VERSION}`);
}
