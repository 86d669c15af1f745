/** What lists are searched for, and how many images have each label. */
export const SEARCH_TABLES = `
-- What lists are searched for: folded texts, a line each. Images of before have no row until a search has read their record. A table with
-- rowids, so that the texts stand in the order in which the images came, and the index of mediaIds stays small.
CREATE TABLE search (
  media_id TEXT NOT NULL PRIMARY KEY REFERENCES images (media_id) ON DELETE CASCADE,
  preset   TEXT,
  words    TEXT NOT NULL
) STRICT;

-- How many images have each label: of each owner and, with the owner '', of all. Kept by the triggers below. A label gets its owner by an
-- update right after it was inserted.
CREATE TABLE label_totals (
  owner  TEXT NOT NULL,
  label  TEXT NOT NULL,
  images INTEGER NOT NULL,
  PRIMARY KEY (owner, label)
) STRICT, WITHOUT ROWID;

CREATE INDEX label_totals_by_images ON label_totals (owner, images DESC, label);

INSERT INTO label_totals SELECT owner, label, count(*) FROM labels WHERE owner <> '' GROUP BY label, owner;
INSERT INTO label_totals SELECT '', label, sum(images) FROM label_totals GROUP BY label;

CREATE TRIGGER labels_counted AFTER UPDATE OF owner ON labels WHEN OLD.owner = '' AND NEW.owner <> '' BEGIN
  INSERT INTO label_totals VALUES (NEW.owner, NEW.label, 1), ('', NEW.label, 1)
    ON CONFLICT DO UPDATE SET images = images + 1;
END;

CREATE TRIGGER labels_moved AFTER UPDATE OF owner ON labels WHEN OLD.owner <> '' AND NEW.owner <> OLD.owner BEGIN
  UPDATE label_totals SET images = images - 1 WHERE owner = OLD.owner AND label = OLD.label;
  DELETE FROM label_totals WHERE owner = OLD.owner AND label = OLD.label AND images <= 0;
  INSERT INTO label_totals VALUES (NEW.owner, NEW.label, 1) ON CONFLICT DO UPDATE SET images = images + 1;
END;

CREATE TRIGGER labels_deleted AFTER DELETE ON labels WHEN OLD.owner <> '' BEGIN
  UPDATE label_totals SET images = images - 1 WHERE owner IN ('', OLD.owner) AND label = OLD.label;
  DELETE FROM label_totals WHERE owner IN ('', OLD.owner) AND label = OLD.label AND images <= 0;
END;
`;
