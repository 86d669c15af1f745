/**
 * The tables of what replicas share beside the records: limits, pauses, secrets, instances, who watches partial pictures. All times are the
 * database's. What may be lost in a crash of PostgreSQL is UNLOGGED.
 */
export const CLUSTER_TABLES = `
-- Numbers the claims of jobs. A clock could be set back, and the claims after that would count as old.
CREATE SEQUENCE easel.claims;

CREATE TABLE easel.call_starts (
  provider text NOT NULL,
  started_at timestamptz NOT NULL
);
CREATE INDEX call_starts_of_provider ON easel.call_starts (provider, started_at);

CREATE TABLE easel.call_pauses (
  provider text PRIMARY KEY,
  until timestamptz NOT NULL
);

CREATE UNLOGGED TABLE easel.request_counts (
  client text PRIMARY KEY,
  current integer NOT NULL,
  ends_at timestamptz NOT NULL
);
CREATE INDEX request_counts_by_end ON easel.request_counts (ends_at);

CREATE UNLOGGED TABLE easel.watchers (
  media_id text NOT NULL,
  instance uuid NOT NULL,
  until timestamptz NOT NULL,
  PRIMARY KEY (media_id, instance)
);

CREATE UNLOGGED TABLE easel.partials (
  media_id text NOT NULL,
  call uuid NOT NULL,
  instance uuid NOT NULL,
  opened_at timestamptz NOT NULL,
  until timestamptz NOT NULL,
  index integer,
  bytes bytea,
  PRIMARY KEY (media_id, call)
);

CREATE TABLE easel.instances (
  id uuid PRIMARY KEY,
  version text NOT NULL,
  role text NOT NULL,
  secrets jsonb NOT NULL,
  started_at timestamptz NOT NULL,
  seen_at timestamptz NOT NULL
);

CREATE TABLE easel.secrets (
  name text PRIMARY KEY,
  value text NOT NULL,
  made_at timestamptz NOT NULL DEFAULT now()
);

CREATE TABLE easel.media_mark (
  one boolean PRIMARY KEY DEFAULT true CHECK (one),
  made_at timestamptz NOT NULL DEFAULT now()
);
`;
