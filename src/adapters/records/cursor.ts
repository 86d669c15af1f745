import { ImageError } from '../../core/domain/errors.ts';

/** Sort key of keyset pagination: createdAt in milliseconds since 1970, then mediaId, since two images can share a millisecond. */
export type SortKey = readonly [createdAt: number, mediaId: string];

/** Below 0 where the one key comes first, with the oldest image first. mediaIds are ASCII, so that every database has this order. */
export function compareKeys([timeA, idA]: SortKey, [timeB, idB]: SortKey): number {
  return timeA - timeB || (idA < idB ? -1 : Number(idA > idB));
}

/** The sort key as opaque, URL-safe text. It names a position, not a row, so it stays valid when the row is removed. */
export function encodeCursor([createdAt, mediaId]: SortKey): string {
  return Buffer.from(JSON.stringify([createdAt, mediaId])).toString('base64url');
}

/** The sort key that `encodeCursor` wrote. Raises `ImageError` with `invalid_request` for any other text. */
export function decodeCursor(cursor: string): SortKey {
  const [createdAt, mediaId, ...rest] = parseArray(cursor);
  if (!Number.isSafeInteger(createdAt) || typeof mediaId !== 'string' || mediaId.includes('\0') || rest.length > 0)
    throw malformed();
  const key: SortKey = [createdAt as number, mediaId];
  // Buffer skips characters that are not base64url, so only the exact text that `encodeCursor` gives is accepted.
  if (encodeCursor(key) !== cursor) throw malformed();
  return key;
}

/** A row's number as opaque, URL-safe text, for a list that is in the order of its numbers. */
export function encodeNumber(number: number): string {
  return Buffer.from(JSON.stringify([number])).toString('base64url');
}

/** The number that `encodeNumber` wrote. Raises `ImageError` with `invalid_request` for any other text. */
export function decodeNumber(cursor: string): number {
  const [number] = parseArray(cursor);
  if (!Number.isSafeInteger(number) || encodeNumber(number as number) !== cursor) throw malformed();
  return number as number;
}

function parseArray(cursor: string): readonly unknown[] {
  try {
    const value: unknown = JSON.parse(Buffer.from(cursor, 'base64url').toString());
    return Array.isArray(value) ? value : [];
  } catch {
    return [];
  }
}

function malformed(): ImageError {
  const message = 'is not a cursor that this list gave; take nextCursor as it came, or leave it out';
  return new ImageError('invalid_request', `cursor ${message}`, { paths: [{ path: 'cursor', message }] });
}
