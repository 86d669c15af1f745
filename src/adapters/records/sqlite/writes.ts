import { ImageError } from '../../../core/domain/errors.ts';
import { formatSize } from '../../../core/domain/geometry.ts';
import type { Image } from '../../../core/domain/image.ts';
import type { SpendingGuard } from '../../../core/domain/money.ts';
import type { Acceptance, Deletion, Derived, LastCleanup, UsageKey } from '../../../core/ports/record-store.ts';
import { columnsOf, readDeletion, readImage, type StoredImage } from '../rows.ts';
import { QUEUED } from './job-queries.ts';
import { balancesOf, guardSteps, ledgerSteps, VETOED } from './ledger.ts';
import { deliverySteps, imageRemovedSteps } from './outbox.ts';
import { FIND_BY_KEY, FIND_DELETION, FIND_IMAGE, IDENTITY } from './queries.ts';
import { searchAnewSteps, searchSteps } from './search.ts';
import { forgetSharedSteps, sharedNameSteps, UNSHARED } from './shared-files.ts';
import { answerWith, CHANGED, type Outcome, run, type Step, stopIf, stopUnless } from './writer/write.ts';

/** What the writes of the `RecordStore` are made of, as data for the writer's thread, and what their outcomes mean. */

/** Stops where it is taken: the mediaId, the idempotency key, the files of an earlier image, or the places in the queue. */
const [SAME_ID, SAME_KEY, BEING_REMOVED, QUEUE_FULL] = ['same id', 'same key', 'being removed', 'queue full'];

/** The stop of a rehearsal, which stores nothing. */
const REHEARSED = 'rehearsed';

/** A new image, and what is stored with it. */
export interface NewImage {
  readonly stored: StoredImage;
  readonly derived: Derived;
}

/** Takes images of one owner in, all or none. `acceptanceOf` reads the outcome. */
export function acceptSteps(
  images: readonly NewImage[],
  queueLimit: number,
  guard: SpendingGuard | undefined,
): readonly Step[] {
  const stops = images.flatMap(({ stored }) => {
    const { mediaId, owner, idempotencyKey } = stored.image;
    return [
      stopIf(SAME_ID, FIND_IMAGE, { mediaId }),
      ...(idempotencyKey === null ? [] : [stopIf(SAME_KEY, FIND_BY_KEY, { owner, idempotencyKey })]),
      stopIf(BEING_REMOVED, FIND_DELETION, [mediaId]),
    ];
  });
  const inserts = images.flatMap(({ stored, derived }) => [
    run(INSERT, columnsOf(stored, derived)),
    ...labelSteps(stored.image),
    ...searchSteps(stored.image),
    ...sharedNameSteps(stored.image.mediaId, derived),
  ]);
  return [...stops, stopIfQueueFull(queueLimit, images.length), ...inserts, ...derivedSteps(images, guard)];
}

/** What the outcome of `acceptSteps` says. Raises what the port promises, and the error of the guard. */
export function acceptanceOf({ stopped, row }: Outcome, owner: string, guard: SpendingGuard | undefined): Acceptance {
  if (stopped === SAME_ID || stopped === SAME_KEY) {
    const existing = readImage(row);
    if (existing === null) throw new TypeError('the image that a write found is not in its answer');
    return { outcome: 'exists', by: stopped === SAME_ID ? 'mediaId' : 'idempotencyKey', image: existing };
  }
  if (stopped === BEING_REMOVED) {
    // One that cannot be read raises an error of its own.
    if (!row) throw new TypeError('the deletion that a write found is not in its answer');
    throw stillBeingRemoved(readDeletion(row).mediaId);
  }
  if (stopped === QUEUE_FULL) return { outcome: 'queue_full' };
  heedGuard({ stopped, row }, owner, guard);
  return { outcome: 'accepted' };
}

/** Changes an image; stopped as `CHANGED` where it is no longer `before`. With a `queueLimit`, `isQueueFull` says of the outcome. */
export function rewriteSteps(
  before: StoredImage,
  after: StoredImage,
  derived: Derived,
  guard: SpendingGuard | undefined,
  queueLimit: number | null,
): readonly Step[] {
  const isLabelledAnew =
    after.image.request.labels !== before.image.request.labels || after.image.createdAt !== before.image.createdAt;
  return [
    stopUnlessStill(before),
    ...(queueLimit === null ? [] : [stopIfQueueFull(queueLimit)]),
    run(UPDATE, columnsOf(after, derived)),
    ...(isLabelledAnew ? labelSteps(after.image) : []),
    ...searchAnewSteps(before.image, after.image),
    ...(after.image.request === before.image.request ? [] : sharedNameSteps(after.image.mediaId, derived)),
    ...derivedSteps([{ stored: after, derived }], guard),
  ];
}

export function isQueueFull({ stopped }: Outcome): boolean {
  return stopped === QUEUE_FULL;
}

/**
 * Deletes an image and notes the names of its files, of those that it shares the ones that no other image names; stopped as `CHANGED` where
 * it is no longer `before`. `deletionIn` reads the outcome.
 */
export function removeSteps(before: StoredImage, { ledger, ownedNames, sharedNames }: Derived): readonly Step[] {
  const { mediaId } = before.image;
  return [
    stopUnlessStill(before),
    ...ledgerSteps(ledger),
    run('DELETE FROM images WHERE media_id = ?', [mediaId]),
    ...imageRemovedSteps(mediaId),
    ...forgetSharedSteps(mediaId),
    run(NOTE_DELETION, { mediaId, owned: JSON.stringify(ownedNames), shared: JSON.stringify(sharedNames) }),
    answerWith(FIND_DELETION, [mediaId]),
  ];
}

/** The deletion that `removeSteps` has noted; null where the outcome does not say. */
export function deletionIn({ row }: Outcome): Deletion | null {
  return row && readDeletion(row);
}

export function deletionDoneSteps(mediaId: string): readonly Step[] {
  return [run('DELETE FROM deletions WHERE media_id = ?', [mediaId])];
}

export function noteUsageSteps({ model, quality, size }: UsageKey, outputTokens: number): readonly Step[] {
  return [
    run(
      `
      INSERT INTO largest_usage VALUES (?, ?, ?, ?)
      ON CONFLICT DO UPDATE SET output_tokens = excluded.output_tokens
        WHERE excluded.output_tokens > output_tokens`,
      [model, quality, formatSize(size), outputTokens],
    ),
  ];
}

export function saveCleanupSteps(cleanup: LastCleanup): readonly Step[] {
  return [run('INSERT OR REPLACE INTO last_cleanup (id, report) VALUES (1, ?)', [JSON.stringify(cleanup)])];
}

/** Keeps `uuid` unless there is an identity already; the outcome's row has the one that is kept. */
export function identitySteps(uuid: string): readonly Step[] {
  return [
    run('INSERT INTO identity (id, uuid) VALUES (1, ?) ON CONFLICT DO NOTHING', [uuid]),
    answerWith(IDENTITY, []),
  ];
}

/** Writes a value that is another one each time; the outcome's row has it. */
export const PROBE_STEPS: readonly Step[] = [
  answerWith(
    `
    INSERT INTO probe (id, count) VALUES (1, 1)
    ON CONFLICT DO UPDATE SET count = count + 1 RETURNING count`,
    [],
  ),
];

/** Takes an image in, at `now`, and undoes that. No mediaId, owner or key is empty. */
export function rehearsalSteps(now: number): readonly Step[] {
  const times = { createdAt: now, requestedAt: now, expiresAt: null };
  const image = { mediaId: '', owner: '', status: 'queued', idempotencyKey: '', document: '{}' };
  const call = { callId: '', callIndex: 0, callDigest: '', callEndedAt: now };
  return [run(INSERT, { ...image, ...times, ...call }), stopIf(REHEARSED, 'SELECT 1 AS done', [])];
}

/** Has the guard look at the balances of a write, and raises its error where they stopped it. */
export function heedGuard({ stopped, row }: Outcome, owner: string, guard: SpendingGuard | undefined): void {
  if (guard && row) guard.check(owner, balancesOf(row));
  if (stopped === VETOED) throw new TypeError('the guard does not say why it stops a write');
}

/** What is stored together with images of one owner, which the guard judges in sum. */
function derivedSteps(images: readonly NewImage[], guard: SpendingGuard | undefined): readonly Step[] {
  const spending = images.find(({ derived }) => derived.spendsMore);
  return [
    ...images.flatMap(({ derived }) => ledgerSteps(derived.ledger)),
    ...(guard && spending ? guardSteps(guard, spending.stored.image.owner) : []),
    ...images.flatMap(({ stored, derived }) => (derived.delivery ? deliverySteps(derived.delivery, stored) : [])),
  ];
}

function labelSteps({ mediaId, createdAt, request }: Image): readonly Step[] {
  return [
    run('DELETE FROM labels WHERE media_id = ?', [mediaId]),
    ...[...new Set(request.labels)].map((label) =>
      run('INSERT INTO labels (media_id, label, created_at) VALUES (?, ?, ?)', [mediaId, label, Date.parse(createdAt)]),
    ),
  ];
}

function stopUnlessStill({ image, document }: StoredImage): Step {
  const stored = typeof document === 'string' ? 'document' : 'CAST(document AS BLOB)';
  return stopUnless(CHANGED, `SELECT 1 FROM images WHERE media_id = ? AND ${stored} = ?`, [image.mediaId, document]);
}

function stopIfQueueFull(limit: number, more = 1): Step {
  return stopIf(QUEUE_FULL, `SELECT 1 WHERE ifnull((${QUEUED}), 0) + ? > ?`, [more, limit]);
}

const NOTE_DELETION = `
  INSERT INTO deletions (media_id, names)
  SELECT :mediaId, json_group_array(value) FROM (
    SELECT value FROM json_each(:owned)
    UNION ALL
    ${UNSHARED})`;

const INSERT = `
  INSERT INTO images (
    media_id, owner, status, idempotency_key, created_at, requested_at, expires_at,
    call_id, call_index, call_digest, call_ended_at, document)
  VALUES (
    :mediaId, :owner, :status, :idempotencyKey, :createdAt, :requestedAt, :expiresAt,
    :callId, :callIndex, :callDigest, :callEndedAt, :document)`;

const UPDATE = `
  UPDATE images SET
    owner = :owner, status = :status, idempotency_key = :idempotencyKey,
    created_at = :createdAt, requested_at = :requestedAt, expires_at = :expiresAt,
    call_id = :callId, call_index = :callIndex, call_digest = :callDigest, call_ended_at = :callEndedAt, document = :document
  WHERE media_id = :mediaId`;

/** Refuses a mediaId while its deletion is pending: the new image would publish under names that are about to be removed. */
function stillBeingRemoved(mediaId: string): ImageError {
  const detail = `the files of the earlier image ${mediaId} are still being removed`;
  return new ImageError('storage_unavailable', detail, { retryAfterSeconds: 1, mediaId });
}
