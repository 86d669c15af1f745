import { describe, expect, it } from 'vitest';
import { parseRateLimit } from '../../../../src/adapters/providers/openai/rate-limit-headers.ts';
import { parseRetryAfter } from '../../../../src/adapters/providers/retry-after.ts';

describe('parseRetryAfter', () => {
  const now = Date.parse('2026-11-23T12:00:00Z');
  it.each([
    ['seconds', { 'retry-after': '7' }, 7000],
    ['fractions of seconds', { 'retry-after': '0.5' }, 500],
    ['a date', { 'retry-after': 'Mon, 23 Nov 2026 12:00:30 GMT' }, 30_000],
    ['a date in the past', { 'retry-after': 'Mon, 23 Nov 2026 11:00:00 GMT' }, 0],
    ['milliseconds, which win', { 'retry-after-ms': '250', 'retry-after': '7' }, 250],
    ['a negative number', { 'retry-after': '-5' }, 0],
    ['nonsense', { 'retry-after': 'soon' }, null],
    ['infinity', { 'retry-after': 'Infinity' }, null],
    ['an empty header', { 'retry-after': ' ' }, null],
    ['nothing', {}, null],
  ])('reads %s', (_, headers: Record<string, string>, expected) => {
    expect(parseRetryAfter((name) => headers[name] ?? null, now)).toBe(expected);
  });
});

describe('parseRateLimit', () => {
  const spent = (reset: string) => ({ 'x-ratelimit-remaining-images': '0', 'x-ratelimit-reset-images': reset });
  it.each([
    ['minutes and seconds', spent('6m0s'), 360_000],
    ['fractions', spent('1.5s'), 1500],
    ['milliseconds', spent('12ms'), 12],
    ['hours', spent('1h2m'), 3_720_000],
    ['a plain number of seconds', spent('12'), 12_000],
    ['nonsense', spent('soon'), null],
    ['a remaining of some', { ...spent('12s'), 'x-ratelimit-remaining-images': '1' }, null],
    [
      'the longest of several',
      { ...spent('12s'), 'x-ratelimit-remaining-requests': '0', 'x-ratelimit-reset-requests': '20s' },
      20_000,
    ],
    ['nothing', {}, null],
  ])('reads %s', (_, headers: Record<string, string>, expected) => {
    expect(parseRateLimit((name) => headers[name] ?? null)).toBe(expected);
  });
});
