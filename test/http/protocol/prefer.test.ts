import { describe, expect, test } from 'vitest';
import { appliedPreferences, readPreferences, secondsToWait } from '../../../src/http/protocol/prefer.ts';

describe('readPreferences parses', () => {
  test.each<[string | undefined, boolean, number | null]>([
    [undefined, false, null],
    ['', false, null],
    ['respond-async', true, null],
    ['Respond-Async', true, null],
    ['respond-async=""', true, null],
    ['respond-async=yes', false, null],
    ['wait=10', false, 10],
    ['WAIT = "10"', false, 10],
    ['wait=0', false, 0],
    ['wait', false, null],
    ['wait=-1', false, null],
    ['wait=1.5', false, null],
    ['wait=1e3', false, null],
    ['wait=99999999999999999999', false, null],
    ['wait=10, wait=20', false, 10],
    ['respond-async, wait=100', true, 100],
    ['wait=5; foo="a, b", respond-async', true, 5],
    ['foo; bar="respond-async, wait=3"', false, null],
    ['foo="wait=3, \\" respond-async"', false, null],
    ['return=minimal,,, ;;; =, wait=4', false, 4],
    ['wait=10 20', false, null],
  ])('%s', (header, respondAsync, wait) => {
    expect(readPreferences(header)).toEqual({ respondAsync, wait });
  });
});

test.each([
  ['nothing', { respondAsync: false, wait: null }, 120, null, null],
  ['respond-async', { respondAsync: true, wait: null }, 0, 'respond-async', null],
  ['wait=10', { respondAsync: false, wait: 10 }, 10, 'wait=10', 'wait=10'],
  ['wait=1000', { respondAsync: false, wait: 1000 }, 120, 'wait=120', 'wait=120'],
  ['both', { respondAsync: true, wait: 10 }, 10, 'respond-async, wait=10', 'wait=10'],
])('%s: the seconds to wait, and Preference-Applied', (_what, asked, seconds, running, finished) => {
  expect(secondsToWait(asked, 120)).toBe(seconds);
  expect(appliedPreferences(asked, seconds, false)).toBe(running);
  expect(appliedPreferences(asked, seconds, true)).toBe(finished);
});
