import { setImmediate as nextRound } from 'node:timers/promises';
import { expect, it } from 'vitest';
import { createTurns } from '../../../src/adapters/records/turns.ts';

it('runs work of one key in order, whatever becomes of it, and work of others at once', async () => {
  const turns = createTurns();
  const begun: string[] = [];
  const work = (name: string, key: string) => {
    const end = Promise.withResolvers<string>();
    const result = turns.take(key, () => {
      begun.push(name);
      return end.promise;
    });
    return { ...end, result };
  };
  const first = work('first', 'a');
  const second = work('second', 'a');
  const third = work('third', 'a');
  const other = work('other', 'b');
  expect(begun).toEqual(['first', 'other']);

  const failure = expect(first.result).rejects.toThrow('failed');
  first.reject(new Error('failed'));
  await failure;
  await nextRound();
  expect(begun).toEqual(['first', 'other', 'second']);
  second.resolve('2');
  expect(await second.result).toBe('2');
  await nextRound();
  expect(begun.at(-1)).toBe('third');

  let hasEnded = false;
  const ended = turns.ended().then(() => {
    hasEnded = true;
  });
  other.resolve('o');
  await nextRound();
  expect(hasEnded).toBe(false);
  third.resolve('3');
  await ended;
  work('again', 'a');
  expect(begun.at(-1)).toBe('again');
});

it('runs work that takes the turns of several keys once it has all, in whatever order they are named, and one twice', async () => {
  const turns = createTurns();
  const begun: string[] = [];
  const held = Promise.withResolvers<void>();
  const first = turns.take('b', () => held.promise);
  const work = (name: string, keys: readonly string[]) =>
    turns.takeAll(keys, async () => {
      begun.push(name);
      await nextRound();
      begun.push(`${name} ends`);
    });
  const all = [work('one', ['a', 'b']), work('two', ['b', 'a', 'a']), work('three', ['c'])];
  await nextRound();
  await nextRound();
  expect(begun).toEqual(['three', 'three ends']);
  held.resolve();
  await Promise.all([first, ...all]);
  expect(begun.slice(2)).toEqual(['one', 'one ends', 'two', 'two ends']);
  await turns.ended();
});
