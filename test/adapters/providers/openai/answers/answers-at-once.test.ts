import { setImmediate as nextTurn } from 'node:timers/promises';
import { expect, it } from 'vitest';
import { createAnswersAtOnce } from '../../../../../src/adapters/providers/openai/answers/answers-at-once.ts';

/** No answer waits for so long: one without a place then waits until the test fails. */
const LONGEST_TIMER_MS = 2 ** 31 - 1;

it('reads so many answers at once, the others in order as places are given back, each place once', async () => {
  const takePlace = createAnswersAtOnce(2, LONGEST_TIMER_MS);
  const read: string[] = [];
  const take = async (name: string) => {
    const place = await takePlace();
    read.push(name);
    return place;
  };
  const [first, second] = await Promise.all([take('first'), take('second')]);
  const [third, fourth] = [take('third'), take('fourth')];
  await nextTurn();
  expect(read).toEqual(['first', 'second']);
  first[Symbol.dispose]();
  first[Symbol.dispose]();
  const place = await third;
  await nextTurn();
  expect(read).toEqual(['first', 'second', 'third']);
  second[Symbol.dispose]();
  place[Symbol.dispose]();
  (await fourth)[Symbol.dispose]();
  await Promise.all([take('fifth'), take('sixth')]);
  expect(read).toHaveLength(6);
});

it('reads an answer that has waited for long enough without a place, which it does not give back', async () => {
  const takePlace = createAnswersAtOnce(1, 1);
  const first = await takePlace();
  (await takePlace())[Symbol.dispose]();
  first[Symbol.dispose]();
  const [second, third] = [await takePlace(), takePlace()];
  second[Symbol.dispose]();
  (await third)[Symbol.dispose]();
});
