import { expect, it } from 'vitest';
import type { ProviderState } from '../../../src/core/domain/provider-state.ts';
import { mergeProviders } from '../../../src/core/operations/provider-states.ts';

const time = (minute: number) => new Date(Date.UTC(2026, 10, 23, 16, minute)).toISOString();
const NOW = Date.parse(time(30));

const aState = (change: Partial<ProviderState> = {}): ProviderState => ({
  name: 'openai',
  model: 'gpt-image-2',
  state: 'closed',
  since: time(0),
  until: null,
  concurrency: 4,
  perMinute: null,
  lastError: null,
  ...change,
});
const merge = (...states: readonly Partial<ProviderState>[]) => {
  const [merged, ...more] = mergeProviders(
    states.map((state) => [aState(state)]),
    NOW,
  );
  expect(more).toEqual([]);
  return merged;
};

it('takes the worst state of all processes, and its times, whichever says it', () => {
  const open = { state: 'open', since: time(1), until: time(40) } as const;
  const halfOpen = { state: 'half_open', since: time(2) } as const;
  const paused = { state: 'paused', since: time(3), until: time(50) } as const;
  expect(merge({}, paused, open, halfOpen)).toMatchObject(open);
  expect(merge(paused, halfOpen, {})).toMatchObject({ ...halfOpen, until: null });
  expect(merge({ since: time(9) }, paused)).toMatchObject(paused);
});

it('takes the newest of equal states, and the latest error of all', () => {
  const error = (minute: number) => ({ fault: 'timeout', detail: 'no answer', at: time(minute) });
  expect(
    merge(
      { since: time(1), lastError: error(2) },
      { since: time(4), lastError: null },
      { since: time(3), lastError: error(3) },
    ),
  ).toMatchObject({ state: 'closed', since: time(4), lastError: error(3) });
});

it('takes a pause whose end has come for over, and names no time for a probe that is due', () => {
  expect(merge({}, { state: 'paused', since: time(10), until: time(29) })).toMatchObject({
    state: 'closed',
    since: time(29),
    until: null,
  });
  expect(merge({}, { state: 'open', since: time(10), until: time(29) })).toMatchObject({
    state: 'open',
    since: time(10),
    until: null,
  });
});

it('keeps limits, model and order of the first process, adds providers of others, and leaves out states of a later version', () => {
  const merged = mergeProviders(
    [
      [aState({ name: 'b', concurrency: 1 }), aState({ name: 'a' })],
      [aState({ name: 'c' }), aState({ name: 'b', concurrency: 9, state: 'open', model: 'other' })],
      [aState({ name: 'a', state: 'odd' as 'open' })],
    ],
    NOW,
  );
  expect(merged.map(({ name, state, concurrency, model }) => [name, state, concurrency, model])).toEqual([
    ['b', 'open', 1, 'gpt-image-2'],
    ['a', 'closed', 4, 'gpt-image-2'],
    ['c', 'closed', 4, 'gpt-image-2'],
  ]);
});
