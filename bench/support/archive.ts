import { open } from 'node:fs/promises';
import { DatabaseSync } from 'node:sqlite';
import { asStored, columnsOf } from '../../src/adapters/records/rows.ts';
import { openSqliteRecords } from '../../src/adapters/records/sqlite/records.ts';
import type { Image, ImageStatus } from '../../src/core/domain/image.ts';
import type { Derive } from '../../src/core/ports/record-store.ts';
import { anImage, aRequest } from '../../test/contracts/record-store/example-images.ts';

/** A database with many finished images, of which the oldest are the rare ones. */
interface ArchiveSpec {
  /** The database file, which is made. */
  readonly path: string;
  readonly count: number;
  readonly derive: Derive;
  /** Milliseconds since 1970. The newest image was made then, the others a minute earlier each. */
  readonly now: number;
  /** Every image belongs to this API key. */
  readonly owner: string;
  /** How many, just above the oldest, have a ttl that is over. */
  readonly expired: number;
}

/** The label of every second image. */
export const COMMON_LABEL = 'article';
/** How many images have the status `cancelled`. They are the oldest, and have the common label. */
export const RARE_IMAGES = 20;

const MINUTE_MS = 60_000;
const DAY_MS = 86_400_000;
/** One day in the ledger for so many images. */
const IMAGES_A_DAY = 1_000;

/** The mediaId of the image with this number, 0 being the oldest. */
export function archiveId(number: number): string {
  return `image-${String(number).padStart(8, '0')}`;
}

/**
 * Makes the archive. It writes through the real schema and the real columns, but around the port, which would sync each write; then it
 * syncs the file, so that what is measured next does not.
 */
export async function makeArchive({ path, count, derive, now, owner, expired }: ArchiveSpec): Promise<void> {
  await openSqliteRecords({ path, derive }).close();
  const database = new DatabaseSync(path);
  // Without a journal, which would be as large as the database.
  database.exec('PRAGMA journal_mode = OFF; PRAGMA synchronous = OFF; PRAGMA cache_size = -262144; BEGIN');
  const insert = database.prepare(`
    INSERT INTO images (media_id, owner, status, idempotency_key, created_at, requested_at, expires_at, document)
    VALUES (:mediaId, :owner, :status, :idempotencyKey, :createdAt, :requestedAt, :expiresAt, :document)`);
  const label = database.prepare('INSERT INTO labels (media_id, label, created_at) VALUES (?, ?, ?)');
  for (let number = 0; number < count; number += 1) {
    const image = imageOf(number, { count, now, owner, expired });
    const expiresAt = image.expiresAt === null ? null : Date.parse(image.expiresAt);
    insert.run(columnsOf(asStored(image), { expiresAt }));
    for (const one of image.request.labels) label.run(image.mediaId, one, Date.parse(image.createdAt));
  }
  const spend = database.prepare('INSERT INTO spending VALUES (?, ?, ?, 500, 100000, 0)');
  for (let day = 0; day < Math.ceil(count / IMAGES_A_DAY); day += 1) {
    const date = new Date(now - day * DAY_MS).toISOString().slice(0, 10);
    for (const model of ['gpt-image-2', 'placeholder']) spend.run(date, owner, model);
  }
  database.exec('COMMIT; PRAGMA journal_mode = WAL');
  database.close();
  await using file = await open(path);
  await file.sync();
}

function imageOf(number: number, { count, now, owner, expired }: Omit<ArchiveSpec, 'path' | 'derive'>): Image {
  const isRare = number < RARE_IMAGES;
  const status: ImageStatus = isRare ? 'cancelled' : number % 20 === 1 ? 'failed' : 'succeeded';
  const isExpired = !isRare && number < RARE_IMAGES + expired;
  const createdAt = new Date(now - (count - number) * MINUTE_MS).toISOString();
  return anImage({
    mediaId: archiveId(number),
    status,
    owner,
    request: aRequest({ labels: isRare || number % 2 === 0 ? [COMMON_LABEL] : [] }),
    createdAt,
    completedAt: createdAt,
    expiresAt: isExpired ? new Date(now - MINUTE_MS).toISOString() : null,
    error: status === 'failed' ? { code: 'provider_failed', detail: 'the model API answered 500' } : null,
  });
}
