/**
 * What lists are searched for, and the numbers of images by label. An older Easel that works beside this one writes neither: triggers
 * count its labels, and a search reads the record of an image that has no row.
 */
export const SEARCH_TABLES = `
-- Folded texts, a line each. Without a foreign key, which would have each row wait for a writer of its image.
CREATE TABLE easel.search (
  media_id text COLLATE "C" PRIMARY KEY,
  preset   text COLLATE "C",
  words    text COLLATE "C" NOT NULL
);

CREATE FUNCTION easel.forget_search() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  DELETE FROM easel.search WHERE media_id = OLD.media_id;
  RETURN NULL;
END $$;

CREATE TRIGGER images_forgotten AFTER DELETE ON easel.images FOR EACH ROW EXECUTE FUNCTION easel.forget_search();

-- Sums by owner and label, each in several rows.
CREATE TABLE easel.label_totals (
  number bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  owner  text COLLATE "C" NOT NULL,
  label  text COLLATE "C" NOT NULL,
  images bigint NOT NULL
) WITH (fillfactor = 50);
CREATE INDEX label_totals_by_label ON easel.label_totals (owner, label);

CREATE FUNCTION easel.count_label(of_owner text, of_label text, change bigint) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
  free bigint;
  counted bigint;
BEGIN
  SELECT number, images + change INTO free, counted FROM easel.label_totals
    WHERE owner = of_owner AND label = of_label LIMIT 1 FOR UPDATE SKIP LOCKED;
  IF NOT FOUND THEN
    INSERT INTO easel.label_totals (owner, label, images) VALUES (of_owner, of_label, change);
  ELSIF counted = 0 THEN
    DELETE FROM easel.label_totals WHERE number = free;
  ELSE
    UPDATE easel.label_totals SET images = counted WHERE number = free;
  END IF;
END $$;

CREATE FUNCTION easel.count_added_labels() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  PERFORM easel.count_label(owner, label, n) FROM (
    SELECT owner, label, count(*) AS n FROM added GROUP BY owner, label) AS counts;
  RETURN NULL;
END $$;

CREATE FUNCTION easel.count_removed_labels() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  PERFORM easel.count_label(owner, label, -n) FROM (
    SELECT owner, label, count(*) AS n FROM removed GROUP BY owner, label) AS counts;
  RETURN NULL;
END $$;

CREATE FUNCTION easel.count_changed_labels() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  PERFORM easel.count_label(owner, label, n) FROM (
    SELECT owner, label, sum(change) AS n FROM (
      SELECT owner, label, 1 AS change FROM added UNION ALL SELECT owner, label, -1 FROM removed) AS changes
    GROUP BY owner, label HAVING sum(change) <> 0) AS counts;
  RETURN NULL;
END $$;

CREATE TRIGGER labels_added AFTER INSERT ON easel.labels REFERENCING NEW TABLE AS added
  FOR EACH STATEMENT EXECUTE FUNCTION easel.count_added_labels();
CREATE TRIGGER labels_removed AFTER DELETE ON easel.labels REFERENCING OLD TABLE AS removed
  FOR EACH STATEMENT EXECUTE FUNCTION easel.count_removed_labels();
CREATE TRIGGER labels_changed AFTER UPDATE ON easel.labels REFERENCING OLD TABLE AS removed NEW TABLE AS added
  FOR EACH STATEMENT EXECUTE FUNCTION easel.count_changed_labels();

-- The triggers keep writers out until this is committed.
INSERT INTO easel.label_totals (owner, label, images) SELECT owner, label, count(*) FROM easel.labels GROUP BY owner, label;
`;
