import type { SQLInputValue, SQLOutputValue } from 'node:sqlite';
import type { Image } from '../../../core/domain/image.ts';
import type { Deletion, Derived, LastCleanup, Place } from '../../../core/ports/record-store.ts';

/** A result row, by column name. */
export type Row = Readonly<Record<string, SQLOutputValue>>;

/** An image as its row: the document, and copies of the values that queries search by. */
export function columnsOf(
  image: Image,
  { expiresAt, storedBytes }: Pick<Derived, 'expiresAt' | 'storedBytes'>,
): Record<string, SQLInputValue> {
  return {
    mediaId: image.mediaId,
    owner: image.owner,
    status: image.status,
    fingerprint: image.fingerprint,
    idempotencyKey: image.idempotencyKey,
    createdAt: Date.parse(image.createdAt),
    requestedAt: Date.parse(image.requestedAt),
    expiresAt: expiresAt === 'never' ? NEVER : expiresAt,
    bytes: storedBytes,
    document: JSON.stringify(image),
  };
}

/** 9999-12-31, the `expires_at` of images that never expire, so that a search for expired images never meets them. */
export const NEVER = 253_402_300_799_000;

/** The values of `requested_at` and `media_id` at a place in the order of retention; null is the place before every image. */
export function placeKeyOf(place: Place | null): readonly [requestedAt: number, mediaId: string] {
  return place ? [Date.parse(place.requestedAt), place.mediaId] : [Number.MIN_SAFE_INTEGER, ''];
}

/** The image of a row, or null without a row. */
export function readImage(row: Row | undefined): Image | null {
  return row ? parseImage(row) : null;
}

/** The image in the row's `document`. */
export function parseImage(row: Row): Image {
  return JSON.parse(String(row.document)) as Image;
}

/** A row of the table `deletions`. */
export function readDeletion(row: Row): Deletion {
  return { mediaId: String(row.media_id), names: JSON.parse(String(row.names)) as readonly string[] };
}

/** The report of the last cleanup. An older Easel, which did not look for missing or foreign files, wrote it without their fields. */
export function readCleanup(row: Row): LastCleanup {
  const report = JSON.parse(String(row.report)) as Omit<LastCleanup, keyof typeof LATER_FIELDS>;
  return { ...LATER_FIELDS, ...report };
}

const LATER_FIELDS = { missingFiles: 0, missingFilesOf: [], foreignFiles: 0, failures: 0, failuresOf: [] } as const;
