import type { SQLInputValue, SQLOutputValue } from 'node:sqlite';
import type { Image } from '../../../core/domain/image.ts';
import type { Deletion, Derived, LastCleanup, Place } from '../../../core/ports/record-store.ts';

/** One row of an answer, by column. */
export type Row = Readonly<Record<string, SQLOutputValue>>;

/** The columns of an image: the document, and copies of what is searched for. */
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
    expiresAt: expiresAt === 'never' ? NEVER : expiresAt,
    bytes: storedBytes,
    document: JSON.stringify(image),
  };
}

/** 9999-12-31: the expiry of what never expires, so that no search for what is due comes across it. */
export const NEVER = 253_402_300_799_000;

/** A place in the order of age as the values of `created_at` and `media_id`; null stands before every image. */
export function placeValues(place: Place | null): readonly [number, string] {
  return place ? [Date.parse(place.createdAt), place.mediaId] : [Number.MIN_SAFE_INTEGER, ''];
}

export function readImage(row: Row | undefined): Image | null {
  return row ? parseImage(row) : null;
}

export function parseImage(row: Row): Image {
  return JSON.parse(String(row.document)) as Image;
}

export function readDeletion(row: Row): Deletion {
  return { mediaId: String(row.media_id), names: JSON.parse(String(row.names)) as readonly string[] };
}

/** The report of the last cleanup, which may be from before missing files were looked for. */
export function readCleanup(row: Row): LastCleanup {
  const report = JSON.parse(String(row.report)) as Omit<LastCleanup, 'missingFiles' | 'missingFilesOf'>;
  return { missingFiles: 0, missingFilesOf: [], ...report };
}
