import pg from 'pg';
import type { Image } from '../../src/core/domain/image.ts';
import { anAttempt, anImage, aRequest } from '../../test/contracts/record-store/example-images.ts';

/** The mediaId of the record with this number, 0 being the oldest. */
export const recordId = (number: number): string => `image-${String(number).padStart(8, '0')}`;

/** The label of every second record. */
export const COMMON_LABEL = 'article';
export const OWNER = 'editor';
/** How many of the oldest records have a ttl that is over. */
export const EXPIRED = 500;

/** Rows of one statement, so that its transaction's log stays small. */
const BATCH = 50_000;
const MINUTE_MS = 60_000;

/**
 * Fills the tables of Easel with `count` records of finished pictures, made a minute apart up to `now`, each with a document as the service
 * writes it, with hashes of its own. Around the port, which would commit each one; with the indexes in place, so that they are as full as
 * those of a service that inserts in the order of time.
 */
export async function fillRecords(url: string, count: number, now: number): Promise<void> {
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  try {
    // The counts by status are written once, below.
    await client.query('ALTER TABLE easel.images DISABLE TRIGGER USER');
    for (let from = 0; from < count; from += BATCH) {
      await client.query(FILL, [from, Math.min(from + BATCH, count) - 1, now, count, TEMPLATE, OWNER, EXPIRED]);
    }
    await client.query('ALTER TABLE easel.images ENABLE TRIGGER USER');
    await client.query(
      'INSERT INTO easel.totals (status, images) SELECT status, count(*) FROM easel.images GROUP BY status',
    );
    await client.query(LABELS, [COMMON_LABEL]);
    await client.query(SPENDING, [now, OWNER, Math.ceil(count / 1_440)]);
  } finally {
    await client.end();
  }
}

/** Vacuums and analyzes all tables, as autovacuum does in time. */
export async function vacuum(url: string): Promise<void> {
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  try {
    await client.query('VACUUM (ANALYZE)');
    await client.query('CHECKPOINT');
  } finally {
    await client.end();
  }
}

/** A table or an index, with its rows and its bytes; of a table those of its compressed and long values, too. */
export interface RelationSize {
  readonly name: string;
  readonly table: string;
  readonly isIndex: boolean;
  readonly rows: number;
  readonly bytes: number;
}

/** The sizes of all tables and indexes of Easel that have rows. */
export async function relationSizes(url: string): Promise<readonly RelationSize[]> {
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  try {
    const { rows } = await client.query(SIZES);
    return rows.map(({ name, table, is_index, rows, bytes }) => ({
      name,
      table,
      isIndex: is_index,
      rows: Number(rows),
      bytes: Number(bytes),
    }));
  } finally {
    await client.end();
  }
}

/** A picture as most are: a brief, a preset, one rendition, one call, five checks. Words between `@` are replaced in each record. */
function template(): Image {
  const file = (name: string, hash: string, bytes: number) => ({
    name,
    bytes,
    sha256: hash,
    width: 1792,
    height: 1024,
  });
  const request = aRequest({
    prompt: null,
    brief: {
      subject: 'a lighthouse on a cliff above a calm sea, seen from a small boat that is coming home',
      style: 'editorial photography with natural light',
      mood: 'calm, hopeful',
      palette: ['deep blue', 'warm white'],
      composition: 'the lighthouse in the left third, open sky to the right',
      lighting: 'the last light of the day',
      avoid: ['people', 'text'],
    },
    preset: 'article-hero@1',
    model: 'gpt-image-2',
    size: { width: 1792, height: 1024 },
    renditions: [{ width: 1200, height: 675, format: 'png' }],
    metadata: { articleId: '@ID@', desk: 'travel' },
    labels: [COMMON_LABEL],
  });
  const usage = { textInput: 212, imageInput: 0, cachedTextInput: 0, cachedImageInput: 0, output: 4_096 };
  return anImage({
    mediaId: '@ID@',
    status: 'succeeded',
    owner: OWNER,
    requestId: '@SHA3@'.slice(0, 36),
    request,
    prompt:
      'A lighthouse on a cliff above a calm sea, seen from a small boat that is coming home. Editorial photography with natural light. ' +
      'Mood: calm, hopeful. Colours: deep blue, warm white. Composition: the lighthouse in the left third, open sky to the right. ' +
      'Lighting: the last light of the day. Keep important parts away from the upper and lower edges. Without people, without text.',
    provider: 'openai',
    model: 'gpt-image-2',
    requestedSize: { width: 1792, height: 1024 },
    attempts: [
      {
        ...anAttempt('@SHA4@'),
        provider: 'openai',
        model: 'gpt-image-2',
        startedAt: '@AT@',
        durationMs: 41_337,
        outcome: 'ok',
        httpStatus: 200,
        providerRequestId: 'req_@SHA4@',
        cost: { usd: 0.165, basis: 'usage' },
        usage: usage as never,
      },
    ],
    original: {
      ...file('originals/@ID@~@SHA4@', '@SHA1@', 2_142_898),
      sound: true,
      digitalSourceType: 'http://cv.iptc.org/newscodes/digitalsourcetype/trainedAlgorithmicMedia',
    },
    master: { ...file('@ID@.png', '@SHA2@', 2_143_512), stored: '@ID@~@SHA2@.png', format: 'png' },
    renditions: [
      {
        ...file('@ID@@1200x675.png', '@SHA3@', 1_045_453),
        stored: '@ID@@1200x675~@SHA3@.png',
        width: 1200,
        height: 675,
        format: 'png',
      },
    ],
    thumbhash: '3OcRJYB4d3h/iIeHeEh3eIhw+j2w',
    dominantColour: '#1f3a5f',
    checks: ['decodable', 'size', 'entropy', 'flat', 'borders'].map((name) => ({
      name: name as never,
      value: 7.134,
      threshold: 2,
      verdict: 'ok',
    })),
    cost: { usd: 0.165, basis: 'usage' },
    createdAt: '@AT@',
    requestedAt: '@AT@',
    completedAt: '@AT@',
  });
}

const TEMPLATE = JSON.stringify(template());

/** $1 to $2: numbers; $3: now; $4: count; $5: the document; $6: the owner; $7: how many have expired. */
const FILL = `
  WITH record AS (
    SELECT number, 'image-' || lpad(number::text, 8, '0') AS id, $3::bigint - ($4::bigint - number) * ${MINUTE_MS} AS at,
      CASE WHEN number % 100 = 1 THEN 'failed' WHEN number % 1000 = 2 THEN 'cancelled' ELSE 'succeeded' END AS status,
      encode(sha256((number || 'a')::bytea), 'hex') AS a, encode(sha256((number || 'b')::bytea), 'hex') AS b,
      encode(sha256((number || 'c')::bytea), 'hex') AS c, substr(encode(sha256((number || 'd')::bytea), 'hex'), 1, 21) AS d
    FROM generate_series($1::bigint, $2::bigint) AS number)
  INSERT INTO easel.images (
    media_id, owner, status, idempotency_key, created_at, requested_at, expires_at, has_pending, document)
  SELECT id, $6, status, CASE WHEN number % 2 = 0 THEN 'key-' || a END, at, at,
    CASE WHEN number < $7::bigint THEN $3::bigint - ${MINUTE_MS} END, false,
    replace(replace(replace(replace(replace(replace(replace($5::text,
      '@ID@', id), '@SHA1@', a), '@SHA2@', b), '@SHA3@', c), '@SHA4@', d), '"succeeded"', '"' || status || '"'),
      '@AT@', to_char(to_timestamp(at / 1000.0) AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"'))
  FROM record`;

const LABELS = `
  INSERT INTO easel.labels (media_id, label, owner, status, created_at)
  SELECT media_id, $1, owner, status, created_at FROM easel.images WHERE right(media_id, 1) IN ('0', '2', '4', '6', '8')
  ORDER BY created_at`;

/** $1: now; $2: the owner; $3: how many days. */
const SPENDING = `
  INSERT INTO easel.spending (day, owner, model, images, micro_usd, unpriced)
  SELECT to_char(to_timestamp($1::bigint / 1000 - day * 86400) AT TIME ZONE 'UTC', 'YYYY-MM-DD'), $2, model, 720, 118800000, 0
  FROM generate_series(0, $3::integer) AS day, unnest(ARRAY['gpt-image-2', 'gpt-image-1-mini']) AS model`;

const SIZES = `
  SELECT c.relname AS name, coalesce(t.relname, c.relname) AS table, c.relkind = 'i' AS is_index,
    greatest(c.reltuples, 0)::bigint AS rows,
    CASE c.relkind WHEN 'i' THEN pg_relation_size(c.oid) ELSE pg_table_size(c.oid) END AS bytes
  FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
    LEFT JOIN pg_index i ON i.indexrelid = c.oid LEFT JOIN pg_class t ON t.oid = i.indrelid
  WHERE n.nspname = 'easel' AND c.relkind IN ('r', 'i') AND coalesce(t.reltuples, c.reltuples) > 1000
  ORDER BY 2, 3, 5 DESC`;
