/**
 * What operators are shown: deliveries by where they stand, the state of each instance's providers, and how long stages took. It only
 * adds: an older Easel that runs beside keeps the indexes, too, as they follow from what it writes.
 */
export const OPERATIONS_TABLES = `
-- The owner of a delivery's image; null where it cannot be read.
CREATE FUNCTION easel.owner_of(image text) RETURNS text LANGUAGE plpgsql IMMUTABLE AS $$
BEGIN
  RETURN image::json ->> 'owner';
EXCEPTION WHEN OTHERS THEN
  RETURN NULL;
END $$;

-- Where a delivery stands, as deliveryStateOf says it; null where it cannot be read.
CREATE FUNCTION easel.delivery_state(document text) RETURNS text LANGUAGE plpgsql IMMUTABLE AS $$
DECLARE
  delivery json;
BEGIN
  delivery := document;
  RETURN CASE
    WHEN delivery ->> 'status' = 'delivered' THEN 'delivered'
    WHEN delivery ->> 'status' <> 'pending' THEN 'failed'
    WHEN json_typeof(delivery -> 'attempts' -> -1 -> 'error') = 'string' THEN 'failing'
    ELSE 'pending' END;
EXCEPTION WHEN OTHERS THEN
  RETURN NULL;
END $$;

CREATE INDEX deliveries_by_state ON easel.deliveries (easel.delivery_state(document), number);
CREATE INDEX deliveries_by_owner ON easel.deliveries (easel.owner_of(image), easel.delivery_state(document), number);

-- How often a stage took about as long as its bucket says, by hours since 1970.
CREATE TABLE easel.stage_times (
  hour   bigint NOT NULL,
  stage  text COLLATE "C" NOT NULL,
  bucket integer NOT NULL,
  count  bigint NOT NULL,
  PRIMARY KEY (hour, stage, bucket)
);

-- What an instance says of its providers with each heartbeat; null from one of an older version.
ALTER TABLE easel.instances ADD COLUMN providers json;
`;
