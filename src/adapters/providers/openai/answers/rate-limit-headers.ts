import { msOfSeconds, parseNumber } from '../../retry-after.ts';

/**
 * Milliseconds until the rate limit allows another call: the longest `x-ratelimit-reset-*` of those whose
 * `x-ratelimit-remaining-*` is 0. Null where calls remain or the headers are missing. Header names and durations such as
 * `6m0s` or `12ms` are OpenAI's (its guide on rate limits); `images` is the limit of its image models. Other servers give a number of
 * seconds, or the time in seconds since 1970, which is measured as by `parseRetryAfter`.
 */
export function parseRateLimit(get: (header: string) => string | null, now: number): number | null {
  const parseReset = (text: string | null) => {
    const seconds = parseNumber(text);
    return seconds === null ? parseDuration(text) : msOfSeconds(seconds, get, now);
  };
  const resets = ['images', 'requests', 'tokens']
    .filter((kind) => parseNumber(get(`x-ratelimit-remaining-${kind}`)) === 0)
    .map((kind) => parseReset(get(`x-ratelimit-reset-${kind}`)))
    .filter((ms) => ms !== null);
  return resets.length === 0 ? null : Math.max(...resets);
}

const UNIT_MS: Readonly<Record<string, number>> = { ms: 1, s: 1000, m: 60_000, h: 3_600_000, d: 86_400_000 };

/** Milliseconds of a duration such as `1h2m3.5s` or `12ms`. */
function parseDuration(text: string | null): number | null {
  if (text === null || !/^(\d+(\.\d+)?(ms|[smhd]))+$/.test(text)) return null;
  const parts = text.matchAll(/([\d.]+)(ms|[smhd])/g);
  return [...parts].reduce((sum, [, amount, unit]) => sum + Number(amount) * (UNIT_MS[unit ?? ''] ?? 0), 0);
}
