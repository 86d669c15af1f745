import { describe, expect, it } from 'vitest';
import { parseRetryAfter } from '../../../src/adapters/providers/retry-after.ts';

describe('parseRetryAfter', () => {
  const now = Date.parse('2026-11-23T12:00:00Z');
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
  ])('reads %s', (_, headers: Record<string, string>, expected) => {
    expect(parseRetryAfter((name) => headers[name] ?? null, now)).toBe(expected);
  });
});
