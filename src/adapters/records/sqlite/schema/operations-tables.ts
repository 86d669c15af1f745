/** What operators are shown: deliveries by where they stand, and how long stages took. */
export const OPERATIONS_TABLES = `
-- Deliveries are listed by where they stand, and by the owner of their image: see deliveryStateOf. A row that cannot be read has neither.
ALTER TABLE deliveries ADD COLUMN owner TEXT
  AS (CASE WHEN json_valid(image) THEN CAST(json_extract(image, '$.owner') AS TEXT) END) VIRTUAL;
ALTER TABLE deliveries ADD COLUMN state TEXT
  AS (CASE
    WHEN NOT json_valid(document) THEN NULL
    WHEN json_extract(document, '$.status') = 'delivered' THEN 'delivered'
    WHEN json_extract(document, '$.status') <> 'pending' THEN 'failed'
    WHEN json_extract(document, '$.attempts[#-1].error') IS NULL THEN 'pending'
    ELSE 'failing' END) VIRTUAL;
CREATE INDEX deliveries_by_state ON deliveries (state, number);
CREATE INDEX deliveries_by_owner ON deliveries (owner, state, number);

-- How often a stage took about as long as its bucket says, by hours since 1970.
CREATE TABLE stage_times (
  hour   INTEGER NOT NULL,
  stage  TEXT NOT NULL,
  bucket INTEGER NOT NULL,
  count  INTEGER NOT NULL,
  PRIMARY KEY (hour, stage, bucket)
) STRICT, WITHOUT ROWID;
`;
