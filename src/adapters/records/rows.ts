import { ImageError } from '../../core/domain/errors.ts';
import type { Image } from '../../core/domain/image.ts';
import type { Deletion, Derived, LastCleanup, Place } from '../../core/ports/record-store.ts';

/** A result row, by column name. */
type Row = Readonly<Record<string, unknown>>;

/** An image as it is stored, and the text that it was read from or written as: in bytes where the text itself may be damaged. */
export interface StoredImage {
  readonly image: Image;
  readonly document: string | Uint8Array;
}

type ColumnName =
  | 'mediaId'
  | 'owner'
  | 'status'
  | 'idempotencyKey'
  | 'createdAt'
  | 'requestedAt'
  | 'expiresAt'
  | 'callId'
  | 'callIndex'
  | 'callDigest'
  | 'callEndedAt'
  | 'document';

/** An image as its row: the document, and copies of the values that queries search by. */
export function columnsOf(
  { image, document }: StoredImage,
  { expiresAt }: Pick<Derived, 'expiresAt'>,
): Readonly<Record<ColumnName, string | number | null | Uint8Array>> {
  return {
    mediaId: image.mediaId,
    owner: image.owner,
    status: image.status,
    idempotencyKey: image.idempotencyKey,
    createdAt: Date.parse(image.createdAt),
    requestedAt: Date.parse(image.requestedAt),
    expiresAt: expiresAt === 'never' ? NEVER : expiresAt,
    callId: image.call?.id ?? null,
    callIndex: image.call?.index ?? null,
    callDigest: image.call?.digest ?? null,
    callEndedAt: image.call ? (image.completedAt === null ? NEVER : Date.parse(image.completedAt)) : null,
    document,
  };
}

/**
 * 9999-12-31, the `expires_at` of images that never expire, so that a search for expired images never meets them, and the `call_ended_at`
 * of those that have not ended, so that a search for what ended lately has them first.
 */
export const NEVER = 253_402_300_799_000;

/** The values of `requested_at` and `media_id` at a place in the order of retention; null is the place before every image. */
export function placeKeyOf(place: Place | null): readonly [requestedAt: number, mediaId: string] {
  return place ? [Date.parse(place.requestedAt), place.mediaId] : [Number.MIN_SAFE_INTEGER, ''];
}

/** The image as it is to be stored. */
export function asStored(image: Image): StoredImage {
  return { image, document: JSON.stringify(image) };
}

/** `readImage` with the text it was read from; `readBytes` gives that as it is stored. */
export function readStored(row: Row | undefined, readBytes: () => Uint8Array): StoredImage | null {
  const image = readImage(row);
  if (image === null) return null;
  const text = String(row?.document);
  // What is no UTF-8 is read as this character, so that the text is not what is stored.
  return { image, document: text.includes('\ufffd') ? readBytes() : text };
}

/** The image in the row's `document`, or null without a row. Raises `ImageError` where it cannot be read. */
export function readImage(row: Row | null | undefined): Image | null {
  if (!row) return null;
  const mediaId = String(row.media_id);
  const image = parse(row.document) as Image | null | undefined;
  if (image?.mediaId !== mediaId)
    throw damaged(mediaId, `the record of ${mediaId} is damaged; restore it from a backup`);
  return image;
}

/** The image in the row's `document`, which can be read. */
export function parseImage(row: Row): Image {
  return JSON.parse(String(row.document)) as Image;
}

/** A row of the table `deletions`. Raises `ImageError` where it cannot be read. */
export function readDeletion(row: Row): Deletion {
  const mediaId = String(row.media_id);
  const names = parse(row.names);
  if (!Array.isArray(names))
    throw damaged(mediaId, `the note of the files of ${mediaId}, which was deleted, is damaged`);
  return { mediaId, names };
}

/** The error for a row about one image that cannot be read: a fault of that image alone, which waiting does not end. */
export function damaged(mediaId: string, detail: string): ImageError {
  return new ImageError('storage_unavailable', detail, { mediaId, isLasting: true, retryAfterSeconds: 5 });
}

/** The value of a JSON text; undefined where it is none. */
function parse(text: unknown): unknown {
  try {
    return JSON.parse(String(text));
  } catch {
    return undefined;
  }
}

/** The report of the last cleanup. An older Easel, which did not look for missing or foreign files, wrote it without their fields. */
export function readCleanup(row: Row): LastCleanup {
  const report = JSON.parse(String(row.report)) as Omit<LastCleanup, keyof typeof LATER_FIELDS>;
  return { ...LATER_FIELDS, ...report };
}

const LATER_FIELDS = { missingFiles: 0, missingFilesOf: [], foreignFiles: 0, failures: 0, failuresOf: [] } as const;

/** A time of a column, in milliseconds since 1970, as ISO 8601 in UTC. */
export function timeOf(value: unknown): string | null {
  return value === null ? null : new Date(Number(value)).toISOString();
}

/** True for the same text, of which one may have been read as bytes, and where there is none on both sides. */
export function isSameDocument(one: string | Uint8Array | undefined, other: string | Uint8Array | undefined): boolean {
  if (one === undefined || other === undefined) return one === other;
  return Buffer.from(one as string).equals(Buffer.from(other as string));
}
