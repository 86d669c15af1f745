/**
 * The tables of the records: images, ledger, outbox, deletions.
 *
 * Text that is sorted or searched has the collation "C", so that pages come in the order of SQLite's. Times are milliseconds since 1970.
 * Sums that every write changes are kept in several rows: a write takes one that no other transaction holds, or adds one. So no write waits
 * for another's commit, none can deadlock over them, and there are as many rows as there ever were transactions at a time.
 */
export const RECORD_TABLES = `
-- document is the image as JSON and the truth; the columns are copies of what is searched for. It is text, as the image has to come back
-- exactly, and PostgreSQL's JSON functions refuse escapes such as \\u0000.
CREATE TABLE easel.images (
  media_id        text COLLATE "C" PRIMARY KEY,
  owner           text COLLATE "C" NOT NULL,
  status          text COLLATE "C" NOT NULL,
  idempotency_key text COLLATE "C",
  created_at      bigint NOT NULL,
  requested_at    bigint NOT NULL,
  expires_at      bigint,
  has_pending     boolean NOT NULL,
  call_id         text COLLATE "C",
  call_index      integer,
  call_digest     text COLLATE "C",
  call_ended_at   bigint,
  document        text NOT NULL
) WITH (autovacuum_vacuum_scale_factor = 0.02, autovacuum_analyze_scale_factor = 0.02);

CREATE UNIQUE INDEX images_by_idempotency_key ON easel.images (owner, idempotency_key) WHERE idempotency_key IS NOT NULL;
CREATE INDEX images_by_age ON easel.images (created_at, media_id);
CREATE INDEX images_by_owner ON easel.images (owner, status, created_at, media_id);
CREATE INDEX images_by_status ON easel.images (status, created_at, media_id);
-- What retention reads: images that no longer change. 253402300799000 is the expiry of those that are kept for ever.
CREATE INDEX images_by_request ON easel.images (status, requested_at, media_id)
  WHERE expires_at IS NULL AND status IN ('succeeded', 'failed', 'cancelled');
CREATE INDEX images_expiring_by_request ON easel.images (status, requested_at, media_id)
  WHERE expires_at < 253402300799000 AND status IN ('succeeded', 'failed', 'cancelled');
CREATE INDEX images_by_expiry ON easel.images (status, expires_at, requested_at, media_id)
  WHERE expires_at < 253402300799000 AND status IN ('succeeded', 'failed', 'cancelled');
CREATE INDEX images_unfinished ON easel.images (created_at, media_id) WHERE status IN ('queued', 'generating', 'processing');
CREATE INDEX images_pending ON easel.images (created_at, media_id) WHERE has_pending;
CREATE INDEX images_by_call ON easel.images (call_id, call_index) WHERE call_id IS NOT NULL;
CREATE INDEX images_by_digest ON easel.images (owner, call_digest, call_ended_at, created_at, call_id) WHERE call_digest IS NOT NULL;

-- Copies of what a list by label filters and sorts by.
CREATE TABLE easel.labels (
  media_id   text COLLATE "C" NOT NULL,
  label      text COLLATE "C" NOT NULL,
  owner      text COLLATE "C" NOT NULL,
  status     text COLLATE "C" NOT NULL,
  created_at bigint NOT NULL,
  PRIMARY KEY (media_id, label)
);
CREATE INDEX labels_by_status ON easel.labels (label, status, created_at, media_id);
CREATE INDEX labels_by_owner ON easel.labels (label, owner, status, created_at, media_id);

-- Which images name which shared files: their inputs.
CREATE TABLE easel.shared_files (
  name     text COLLATE "C" NOT NULL,
  media_id text COLLATE "C" NOT NULL,
  PRIMARY KEY (name, media_id)
);
CREATE INDEX shared_files_by_image ON easel.shared_files (media_id);

CREATE TABLE easel.deletions (
  media_id text COLLATE "C" PRIMARY KEY,
  names    text NOT NULL
);

-- Numbers of images by status, kept by the trigger below.
CREATE TABLE easel.totals (
  number bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  status text COLLATE "C" NOT NULL,
  images bigint NOT NULL
) WITH (fillfactor = 50);
CREATE INDEX totals_by_status ON easel.totals (status);

CREATE FUNCTION easel.count_images(of_status text, change bigint) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
  free bigint;
BEGIN
  SELECT number INTO free FROM easel.totals WHERE status = of_status LIMIT 1 FOR UPDATE SKIP LOCKED;
  IF FOUND THEN
    UPDATE easel.totals SET images = images + change WHERE number = free;
  ELSE
    INSERT INTO easel.totals (status, images) VALUES (of_status, change);
  END IF;
END $$;

CREATE FUNCTION easel.count_changed_image() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF TG_OP = 'UPDATE' AND OLD.status = NEW.status THEN
    RETURN NULL;
  END IF;
  IF TG_OP <> 'INSERT' THEN
    PERFORM easel.count_images(OLD.status, -1);
  END IF;
  IF TG_OP <> 'DELETE' THEN
    PERFORM easel.count_images(NEW.status, 1);
  END IF;
  RETURN NULL;
END $$;

CREATE TRIGGER images_counted AFTER INSERT OR DELETE OR UPDATE OF status ON easel.images
  FOR EACH ROW EXECUTE FUNCTION easel.count_changed_image();

-- Whether so many more images may be queued: see admission.ts.
CREATE FUNCTION easel.queue_has_room(more bigint, queue_limit bigint, margin bigint) RETURNS boolean LANGUAGE plpgsql AS $$
DECLARE
  room bigint;
  lock_key CONSTANT bigint := hashtextextended('easel queue', 0);
BEGIN
  SELECT queue_limit - more - coalesce(sum(images), 0) INTO room FROM easel.totals WHERE status = 'queued';
  IF room < 0 THEN
    RETURN false;
  END IF;
  IF room >= margin THEN
    PERFORM pg_advisory_xact_lock_shared(lock_key);
    SELECT queue_limit - more - coalesce(sum(images), 0) INTO room FROM easel.totals WHERE status = 'queued';
    IF room >= margin THEN
      RETURN true;
    END IF;
    -- Two that hold the lock together would wait for each other to take it alone: the transaction is done again.
    RAISE EXCEPTION 'the queue has become nearly full' USING ERRCODE = 'serialization_failure';
  END IF;
  PERFORM pg_advisory_xact_lock(lock_key);
  SELECT queue_limit - more - coalesce(sum(images), 0) INTO room FROM easel.totals WHERE status = 'queued';
  RETURN room >= 0;
END $$;

-- The ledger: sums by day, owner and model, each in several rows. What is reserved has the day ''.
CREATE TABLE easel.spending (
  number    bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  day       text COLLATE "C" NOT NULL,
  owner     text COLLATE "C" NOT NULL,
  model     text COLLATE "C" NOT NULL,
  images    bigint NOT NULL,
  micro_usd bigint NOT NULL,
  unpriced  bigint NOT NULL
) WITH (fillfactor = 50);
CREATE INDEX spending_by_day ON easel.spending (day, owner, model);

CREATE FUNCTION easel.add_spending(
  of_day text, of_owner text, of_model text, more_images bigint, more_micro_usd bigint, more_unpriced bigint
) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
  free bigint;
BEGIN
  SELECT number INTO free FROM easel.spending
    WHERE day = of_day AND owner = of_owner AND model = of_model LIMIT 1 FOR UPDATE SKIP LOCKED;
  IF FOUND THEN
    UPDATE easel.spending SET
      images = images + more_images, micro_usd = micro_usd + more_micro_usd, unpriced = unpriced + more_unpriced
      WHERE number = free;
  ELSE
    INSERT INTO easel.spending (day, owner, model, images, micro_usd, unpriced)
      VALUES (of_day, of_owner, of_model, more_images, more_micro_usd, more_unpriced);
  END IF;
END $$;

-- The outbox of webhooks. document is the delivery as JSON and the truth, image the image as it was when it ended. A claim moves due_at to
-- its end, which leased_until has too.
CREATE TABLE easel.deliveries (
  number        bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  id            text COLLATE "C" NOT NULL UNIQUE,
  media_id      text COLLATE "C" NOT NULL,
  image_removed boolean NOT NULL DEFAULT false,
  receiver      text COLLATE "C" NOT NULL,
  due_at        bigint,
  leased_until  bigint,
  document      text NOT NULL,
  image         text NOT NULL
);
CREATE INDEX deliveries_by_image ON easel.deliveries (media_id, number);
CREATE INDEX deliveries_due ON easel.deliveries (due_at, receiver, id) WHERE due_at IS NOT NULL;

-- The most output tokens that a call took; size is WxH.
CREATE TABLE easel.largest_usage (
  model         text COLLATE "C" NOT NULL,
  quality       text COLLATE "C" NOT NULL,
  size          text COLLATE "C" NOT NULL,
  output_tokens bigint NOT NULL,
  PRIMARY KEY (model, quality, size)
);

-- Tables of one row each: what the last cleanup did, what tells this database from every other, what the health check writes.
CREATE TABLE easel.last_cleanup (id integer PRIMARY KEY CHECK (id = 1), report text NOT NULL);
CREATE TABLE easel.identity (id integer PRIMARY KEY CHECK (id = 1), uuid text NOT NULL);
CREATE TABLE easel.probe (id integer PRIMARY KEY CHECK (id = 1), count bigint NOT NULL);

-- Whether a document can be read: whole JSON, in storage that is sound.
CREATE FUNCTION easel.is_json(document text) RETURNS boolean LANGUAGE plpgsql STABLE AS $$
BEGIN
  PERFORM document::json;
  RETURN true;
EXCEPTION WHEN OTHERS THEN
  RETURN false;
END $$;

-- Whether an image's document can be read, and is about that image.
CREATE FUNCTION easel.is_readable(media_id text, document text) RETURNS boolean LANGUAGE plpgsql STABLE AS $$
BEGIN
  PERFORM document::json;
  RETURN position('"mediaId":' || to_json(media_id)::text IN document) > 0;
EXCEPTION WHEN OTHERS THEN
  RETURN false;
END $$;
`;
