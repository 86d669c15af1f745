/** A number of seconds from here on, 2001 in seconds since 1970, is a time: as a duration it would be 30 years. */
const FIRST_TIME_S = 1_000_000_000;
/** The same of milliseconds. A number of seconds from here on is in milliseconds itself. */
const FIRST_TIME_MS = FIRST_TIME_S * 1000;

/** The headers of a response by their names in lower case; null for one that is not there. */
type GetHeader = (header: string) => string | null;

/**
 * Milliseconds that a response asks the client to wait: `retry-after-ms`, else `Retry-After` in seconds or as an HTTP date
 * (RFC 9110, 10.2.3); some servers give seconds since 1970. Null where no header is present and readable; 0 for a time in the past. A time
 * is measured against the response's own `Date`, so that a wrong clock here changes no wait; without one against `now`, in milliseconds
 * since 1970.
 */
export function parseRetryAfter(get: GetHeader, now: number): number | null {
  const ms = parseNumber(get('retry-after-ms'));
  if (ms !== null) return ms < FIRST_TIME_MS ? Math.max(0, ms) : msUntil(ms, get, now);
  const text = get('retry-after');
  const seconds = parseNumber(text);
  if (seconds !== null) return msOfSeconds(seconds, get, now);
  const date = Date.parse(text ?? '');
  return Number.isNaN(date) ? null : msUntil(date, get, now);
}

/** Milliseconds of a number of seconds: a duration, or a time since 1970 (also in milliseconds). Otherwise as `parseRetryAfter`. */
export function msOfSeconds(seconds: number, get: GetHeader, now: number): number {
  if (seconds < FIRST_TIME_S) return Math.max(0, seconds * 1000);
  return msUntil(seconds < FIRST_TIME_MS ? seconds * 1000 : seconds, get, now);
}

function msUntil(time: number, get: GetHeader, now: number): number {
  const sentAt = Date.parse(get('date') ?? '');
  return Math.max(0, time - (Number.isNaN(sentAt) ? now : sentAt));
}

/** The finite number in a header's text; null for anything else, an empty header included. */
export function parseNumber(text: string | null): number | null {
  if (text === null || text.trim() === '') return null;
  const value = Number(text);
  return Number.isFinite(value) ? value : null;
}
