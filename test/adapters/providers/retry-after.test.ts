import { describe, expect, it } from 'vitest';
import { parseRetryAfter } from '../../../src/adapters/providers/retry-after.ts';

describe('parseRetryAfter', () => {
  const now = Date.parse('2026-11-23T12:00:00Z');
  const ahead = { date: new Date(now + 3_600_000).toUTCString() };
  it.each([
    ['seconds', { 'retry-after': '7' }, 7000],
    ['fractions of seconds', { 'retry-after': '0.5' }, 500],
    ['a date', { 'retry-after': 'Mon, 23 Nov 2026 12:00:30 GMT' }, 30_000],
    ['a date in the past', { 'retry-after': 'Mon, 23 Nov 2026 11:00:00 GMT' }, 0],
    ['milliseconds before seconds', { 'retry-after-ms': '250', 'retry-after': '7' }, 250],
    ['a negative number', { 'retry-after': '-5' }, 0],
    ['text that is neither', { 'retry-after': 'soon' }, null],
    ['infinity', { 'retry-after': 'Infinity' }, null],
    ['an empty header', { 'retry-after': ' ' }, null],
    ['no header', {}, null],
    ['seconds since 1970', { 'retry-after': String(now / 1000 + 30) }, 30_000],
    ['seconds since 1970 with a fraction', { 'retry-after': String(now / 1000 + 0.5) }, 500],
    ['seconds since 1970 in the past', { 'retry-after': String(now / 1000 - 5) }, 0],
    ['milliseconds since 1970', { 'retry-after': String(now + 30_000) }, 30_000],
    ['retry-after-ms since 1970', { 'retry-after-ms': String(now + 250) }, 250],
    ['a long duration', { 'retry-after': '999999999' }, 999_999_999_000],
    [
      'a date by a server whose clock is an hour ahead',
      { ...ahead, 'retry-after': new Date(now + 3_630_000).toUTCString() },
      30_000,
    ],
    ['seconds since 1970 by that server', { ...ahead, 'retry-after': String(now / 1000 + 3_630) }, 30_000],
    ['a date beside an unreadable one', { date: 'x', 'retry-after': 'Mon, 23 Nov 2026 12:00:30 GMT' }, 30_000],
  ])('reads %s', (_, headers: Record<string, string>, expected) => {
    expect(parseRetryAfter((name) => headers[name] ?? null, now)).toBe(expected);
  });
});
