import { expect, it } from 'vitest';
import { chooseCall } from '../../../../src/core/images/calls/choice.ts';
import type { FoundCall } from '../../../../src/core/ports/record-store.ts';

const START = 1000;

/** Calls by name, oldest first: `k` has a key, `w` is waited for, `d` was delivered, `o` ended before the process began, `e` since. */
function chosen(...names: readonly string[]): string | undefined {
  const calls = names.map(
    (id): FoundCall => ({
      id,
      isKeyed: id.includes('k'),
      endedAt: id.includes('o') ? START - 1 : id.includes('e') ? START : null,
    }),
  );
  const openCalls = { isAwaited: (id: string) => id.includes('w'), wasDelivered: (id: string) => id.includes('d') };
  return chooseCall(calls, openCalls, START)?.id;
}

it('a retry belongs to the oldest call that no client waits for, else the oldest', () => {
  expect(chosen()).toBeUndefined();
  expect(chosen('1', '2')).toBe('1');
  expect(chosen('1w', '2', '3')).toBe('2');
  expect(chosen('1w', '2w')).toBe('1w');
  expect(chosen('1e', '2')).toBe('1e');
});

it.each([
  ['that was not given to a client', '1de', '2'],
  ['that ended since the start, as earlier ones may have been given', '1o', '2e'],
  ['that may have been given rather than one that was', '1de', '2o'],
  ['without a key', '1k', '2'],
  ['without a key, even if it was given', '1k', '2de'],
  ['that no client waits for, even if it was given', '1w', '2de'],
  ['that no client waits for, even if it has a key', '1w', '2k'],
])('of several it is the one %s', (_, other, best) => {
  expect(chosen(other, best)).toBe(best);
  expect(chosen(best, other)).toBe(best);
});
