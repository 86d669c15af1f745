/**
 * Reads how long an answer asks to wait, in milliseconds: `retry-after-ms`, else `Retry-After` as seconds or as an HTTP date
 * (RFC 9110, 10.2.3). Null where there is nothing sensible; a time in the past is 0.
 */
export function parseRetryAfter(get: (header: string) => string | null, now: number): number | null {
  const ms = number(get('retry-after-ms'));
  if (ms !== null) return Math.max(0, ms);
  const text = get('retry-after');
  const seconds = number(text);
  if (seconds !== null) return Math.max(0, seconds * 1000);
  const date = Date.parse(text ?? '');
  return Number.isNaN(date) ? null : Math.max(0, date - now);
}

function number(text: string | null): number | null {
  if (text === null || text.trim() === '') return null;
  const value = Number(text);
  return Number.isFinite(value) ? value : null;
}

/**
 * Reads for how long, in milliseconds, a rate limit leaves no room for another call: the longest `x-ratelimit-reset-*` of
 * those whose `x-ratelimit-remaining-*` is 0. Null where there is room or nothing is said. Names and times like `6m0s` or
 * `12ms` are OpenAI's (its guide on rate limits); `images` is the limit of its image models.
 */
export function parseRateLimit(get: (header: string) => string | null): number | null {
  const resets = ['images', 'requests', 'tokens']
    .filter((kind) => number(get(`x-ratelimit-remaining-${kind}`)) === 0)
    .map((kind) => parseDuration(get(`x-ratelimit-reset-${kind}`)))
    .filter((ms) => ms !== null);
  return resets.length === 0 ? null : Math.max(...resets);
}

const UNIT_MS: Readonly<Record<string, number>> = { ms: 1, s: 1000, m: 60_000, h: 3_600_000, d: 86_400_000 };

/** `1h2m3.5s`, `12ms`; a number alone is seconds. */
function parseDuration(text: string | null): number | null {
  const seconds = number(text);
  if (seconds !== null) return Math.max(0, seconds * 1000);
  if (text === null || !/^(\d+(\.\d+)?(ms|[smhd]))+$/.test(text)) return null;
  const parts = text.matchAll(/([\d.]+)(ms|[smhd])/g);
  return [...parts].reduce((sum, [, amount, unit]) => sum + Number(amount) * (UNIT_MS[unit ?? ''] ?? 0), 0);
}
