import { isDeepStrictEqual } from 'node:util';
import { formatSize } from '../../../core/domain/geometry.ts';
import type { Image } from '../../../core/domain/image.ts';
import type { Deletion, Derived, UsageKey } from '../../../core/ports/record-store.ts';
import { allOf, type Row, type Statements } from '../../postgres/database.ts';
import { columnsOf, type StoredImage } from '../rows.ts';
import { detachDeliveries } from './outbox.ts';
import { storeSearchAnew } from './search.ts';
import { XID } from './transactions.ts';

/** What the writes of the `RecordStore` do to the tables of images, within a transaction. */

/** A new image, and what is stored with it. */
export interface NewImage {
  readonly stored: StoredImage;
  readonly derived: Derived;
}

/** The columns of images, with their types and their values of one image. */
const COLUMNS: readonly (readonly [
  name: string,
  type: string,
  (columns: ReturnType<typeof columnsOf>, image: Image) => unknown,
])[] = [
  ['media_id', 'text', ({ mediaId }) => mediaId],
  ['owner', 'text', ({ owner }) => owner],
  ['status', 'text', ({ status }) => status],
  ['idempotency_key', 'text', ({ idempotencyKey }) => idempotencyKey],
  ['created_at', 'bigint', ({ createdAt }) => createdAt],
  ['requested_at', 'bigint', ({ requestedAt }) => requestedAt],
  ['expires_at', 'bigint', ({ expiresAt }) => expiresAt],
  ['has_pending', 'boolean', (_, { pending }) => pending.length > 0],
  ['call_id', 'text', ({ callId }) => callId],
  ['call_index', 'integer', ({ callIndex }) => callIndex],
  ['call_digest', 'text', ({ callDigest }) => callDigest],
  ['call_ended_at', 'bigint', ({ callEndedAt }) => callEndedAt],
  ['document', 'text', ({ document }) => document],
];
const NAMES = COLUMNS.map(([name]) => name).join(', ');

const valuesOf = ({ stored, derived }: NewImage): readonly unknown[] => {
  const columns = columnsOf(stored, derived);
  return COLUMNS.map(([, , value]) => value(columns, stored.image));
};

/**
 * Takes the locks that calls of several images need: in one order, so that no two wait for each other over mediaIds and keys. An image
 * alone needs none, as it is inserted at once.
 */
export async function lockTogether(statements: Statements, images: readonly Image[]): Promise<void> {
  if (images.length < 2) return;
  const names = images.flatMap(({ mediaId, owner, idempotencyKey }) => [
    `easel image ${mediaId}`,
    ...(idempotencyKey === null ? [] : [`easel key ${owner} ${idempotencyKey}`]),
  ]);
  await lockNames(statements, names);
}

/** Inserts the images, or not all of them where a mediaId or a key is taken: false then. */
export async function insertImages(
  { run }: Statements,
  images: readonly NewImage[],
  note: (row: Row | undefined) => void,
): Promise<boolean> {
  const columns = images.map(valuesOf);
  const arrays = COLUMNS.map(([, type], index) => `$${index + 1}::${type}[]`);
  const rows = await run(
    `INSERT INTO easel.images (${NAMES})
    SELECT * FROM unnest(${arrays.join(', ')})
    ON CONFLICT DO NOTHING RETURNING ${XID}`,
    COLUMNS.map((_, index) => columns.map((values) => values[index])),
  );
  note(rows[0]);
  return rows.length === images.length;
}

/** Inserts the labels of images, none of which has any. */
export async function insertLabels({ run }: Statements, images: readonly Image[]): Promise<void> {
  const labels = images.flatMap((image) => [...new Set(image.request.labels)].map((label) => ({ image, label })));
  if (labels.length === 0) return;
  await run(
    `INSERT INTO easel.labels (media_id, label, owner, status, created_at)
    SELECT * FROM unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::bigint[])`,
    [
      labels.map(({ image }) => image.mediaId),
      labels.map(({ label }) => label),
      labels.map(({ image }) => image.owner),
      labels.map(({ image }) => image.status),
      labels.map(({ image }) => Date.parse(image.createdAt)),
    ],
  );
}

/** Inserts the shared names of images, none of which has any. */
export async function insertSharedNames({ run }: Statements, images: readonly NewImage[]): Promise<void> {
  const shared = images.flatMap(({ stored: { image }, derived }) =>
    derived.sharedNames.map((name) => [name, image.mediaId] as const),
  );
  if (shared.length === 0) return;
  await run('INSERT INTO easel.shared_files (name, media_id) SELECT * FROM unnest($1::text[], $2::text[])', [
    shared.map(([name]) => name),
    shared.map(([, mediaId]) => mediaId),
  ]);
}

/**
 * The pending deletion of one of these mediaIds, if there is any. Ask after the images are inserted: from then on no other transaction can
 * remove an image of these mediaIds, and those that have done so are seen.
 */
export async function findDeletion({ run }: Statements, images: readonly Image[]): Promise<Row | undefined> {
  const text =
    'SELECT media_id, names FROM easel.deletions WHERE media_id = ANY ($1::text[]) ORDER BY media_id LIMIT 1';
  return (await run(text, [images.map(({ mediaId }) => mediaId)]))[0];
}

/** The stored row of an image, which no other transaction changes until this one ends. */
export async function lockImage({ look }: Statements, mediaId: string): Promise<Row | undefined> {
  // Any text is asked for, and PostgreSQL takes none with a NUL.
  if (mediaId.includes('\0')) return undefined;
  const text = `SELECT media_id, document, ${XID} FROM easel.images WHERE media_id = $1 FOR UPDATE`;
  return (await look(text, [mediaId]))[0];
}

/** Writes a changed image over the one before, which this transaction has locked. */
export async function rewriteImage(statements: Statements, before: Image, after: NewImage): Promise<void> {
  const { run } = statements;
  const { mediaId, owner, status, createdAt, request } = after.stored.image;
  const set = COLUMNS.map(([name, type], index) => `${name} = $${index + 1}::${type}`);
  const written = run(`UPDATE easel.images SET ${set.join(', ')} WHERE media_id = $1`, valuesOf(after));
  const others: Promise<unknown>[] = [];
  if (!isDeepStrictEqual(request.labels, before.request.labels)) {
    others.push(run('DELETE FROM easel.labels WHERE media_id = $1', [mediaId]));
    others.push(insertLabels(statements, [after.stored.image]));
  } else if (
    request.labels.length > 0 &&
    (status !== before.status || owner !== before.owner || createdAt !== before.createdAt)
  ) {
    others.push(
      run('UPDATE easel.labels SET owner = $2, status = $3, created_at = $4::bigint WHERE media_id = $1', [
        mediaId,
        owner,
        status,
        Date.parse(createdAt),
      ]),
    );
  }
  if (request !== before.request) {
    others.push(run('DELETE FROM easel.shared_files WHERE media_id = $1', [mediaId]));
    others.push(insertSharedNames(statements, [after]));
  }
  others.push(storeSearchAnew(statements, before, after.stored.image));
  await allOf([written, ...others]);
}

/**
 * Deletes an image, which this transaction has locked, and notes the names of its files, of those that it shares the ones that no other
 * image names. Of images that name a file and are removed at once, one has it in its deletion.
 */
export async function deleteImage(
  statements: Statements,
  mediaId: string,
  { ownedNames, sharedNames }: Derived,
): Promise<Deletion> {
  const { run } = statements;
  await lockNames(statements, sharedNames);
  const others =
    sharedNames.length === 0
      ? []
      : await run('SELECT DISTINCT name FROM easel.shared_files WHERE name = ANY ($1::text[]) AND media_id <> $2', [
          sharedNames,
          mediaId,
        ]);
  const stillShared = new Set(others.map(({ name }) => name));
  const names = [...ownedNames, ...sharedNames.filter((name) => !stillShared.has(name))];
  await run(
    `WITH image AS (DELETE FROM easel.images WHERE media_id = $1),
      label AS (DELETE FROM easel.labels WHERE media_id = $1),
      shared AS (DELETE FROM easel.shared_files WHERE media_id = $1)
    INSERT INTO easel.deletions (media_id, names) VALUES ($1, $2)`,
    [mediaId, JSON.stringify(names)],
  );
  await detachDeliveries(statements, mediaId);
  return { mediaId, names };
}

/** Takes a lock for each name until the transaction ends, in an order that all transactions take them in. */
async function lockNames({ run }: Statements, names: readonly string[]): Promise<void> {
  if (names.length === 0) return;
  await run(
    `SELECT pg_advisory_xact_lock(key) FROM (
      SELECT DISTINCT hashtextextended(name, 0) AS key FROM unnest($1::text[]) AS name ORDER BY key) AS keys`,
    [names],
  );
}

/** Keeps the output tokens of a call where they are more than those that are kept. */
export async function writeUsage(
  { run }: Statements,
  { model, quality, size }: UsageKey,
  outputTokens: number,
): Promise<void> {
  await run(
    `INSERT INTO easel.largest_usage AS known VALUES ($1, $2, $3, $4)
    ON CONFLICT (model, quality, size) DO UPDATE SET output_tokens = greatest(known.output_tokens, excluded.output_tokens)`,
    [model, quality, formatSize(size), outputTokens],
  );
}
