/** One row: which store's records were taken over (`RecordStore.identity`), and when that ended; null while it is under way. */
export const IMPORT_TABLES = `
CREATE TABLE easel.import (
  id          integer PRIMARY KEY CHECK (id = 1),
  source      text NOT NULL,
  started_at  timestamptz NOT NULL DEFAULT now(),
  finished_at timestamptz
);
`;
