import { describe, expect, it } from 'vitest';
import { parseRateLimit } from '../../../../../src/adapters/providers/openai/answers/rate-limit-headers.ts';

const NOW = Date.UTC(2026, 10, 23, 12);

describe('parseRateLimit', () => {
  const spent = (reset: string) => ({ 'x-ratelimit-remaining-images': '0', 'x-ratelimit-reset-images': reset });
  it.each([
    ['minutes and seconds', spent('6m0s'), 360_000],
    ['fractions of seconds', spent('1.5s'), 1500],
    ['milliseconds', spent('12ms'), 12],
    ['hours', spent('1h2m'), 3_720_000],
    ['a plain number of seconds', spent('12'), 12_000],
    ['a number of seconds since 1970', spent(String(NOW / 1000 + 30)), 30_000],
    [
      'that of a server whose clock differs',
      { ...spent(String(NOW / 1000 + 30)), date: new Date(NOW + 20_000).toUTCString() },
      10_000,
    ],
    ['text that is no duration', spent('soon'), null],
    ['calls that remain', { ...spent('12s'), 'x-ratelimit-remaining-images': '1' }, null],
    [
      'the longest of several',
      { ...spent('12s'), 'x-ratelimit-remaining-requests': '0', 'x-ratelimit-reset-requests': '20s' },
      20_000,
    ],
    ['no headers', {}, null],
  ])('reads %s', (_, headers: Record<string, string>, expected) => {
    expect(parseRateLimit((name) => headers[name] ?? null, NOW)).toBe(expected);
  });
});
