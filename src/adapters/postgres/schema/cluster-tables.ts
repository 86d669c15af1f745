/** The tables of what replicas share beside the records: limits, pauses, secrets, instances, who watches partial pictures. */
export const CLUSTER_TABLES = `
CREATE TABLE easel.media_mark (
  one boolean PRIMARY KEY DEFAULT true CHECK (one),
  made_at timestamptz NOT NULL DEFAULT now()
);
`;
