import { ImageError } from '../../core/domain/errors.ts';

/** A place in the order of the list: createdAt first, mediaId where two images were created in the same millisecond. */
export interface Place {
  /** Milliseconds since 1970. */
  readonly createdAt: number;
  readonly mediaId: string;
}

/** The place as an opaque text that is safe in a URL. It names a place, not a row, so the row may go meanwhile. */
export function encodeCursor(place: Place): string {
  return Buffer.from(JSON.stringify([place.createdAt, place.mediaId])).toString('base64url');
}

/** The place that `encodeCursor` wrote. Raises `ImageError` with `invalid_request` for any other text. */
export function decodeCursor(cursor: string): Place {
  const [createdAt, mediaId, ...rest] = parsePair(cursor);
  if (!Number.isSafeInteger(createdAt) || typeof mediaId !== 'string' || rest.length > 0) throw malformed();
  const place = { createdAt: createdAt as number, mediaId };
  // Buffer reads past what is not base64url, so only the very text that this place is written as is taken.
  if (encodeCursor(place) !== cursor) throw malformed();
  return place;
}

function parsePair(cursor: string): readonly unknown[] {
  try {
    const pair: unknown = JSON.parse(Buffer.from(cursor, 'base64url').toString());
    return Array.isArray(pair) ? pair : [];
  } catch {
    return [];
  }
}

function malformed(): ImageError {
  const message = 'is not a cursor that this list gave; take nextCursor as it came, or leave it out';
  return new ImageError('invalid_request', `cursor ${message}`, { paths: [{ path: 'cursor', message }] });
}
