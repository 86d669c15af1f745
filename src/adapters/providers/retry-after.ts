/**
 * Milliseconds that a response asks the client to wait: `retry-after-ms`, else `Retry-After` in seconds or as an HTTP date
 * (RFC 9110, 10.2.3). Null where no header is present and readable; 0 for a time in the past. `now` is in milliseconds since 1970.
 */
export function parseRetryAfter(get: (header: string) => string | null, now: number): number | null {
  const ms = parseNumber(get('retry-after-ms'));
  if (ms !== null) return Math.max(0, ms);
  const text = get('retry-after');
  const seconds = parseNumber(text);
  if (seconds !== null) return Math.max(0, seconds * 1000);
  const date = Date.parse(text ?? '');
  return Number.isNaN(date) ? null : Math.max(0, date - now);
}

/** The finite number in a header's text; null for anything else, an empty header included. */
export function parseNumber(text: string | null): number | null {
  if (text === null || text.trim() === '') return null;
  const value = Number(text);
  return Number.isFinite(value) ? value : null;
}
