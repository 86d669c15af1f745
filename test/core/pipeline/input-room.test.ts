import { setImmediate } from 'node:timers/promises';
import { expect, it } from 'vitest';
import { createInputRoom } from '../../../src/core/pipeline/input-room.ts';

const { signal } = new AbortController();

/** Asks for room, and says in `got` once it is there. */
function asker(limit: number) {
  const room = createInputRoom(limit);
  const got: string[] = [];
  const ask = async (name: string, bytes: number) => {
    const taken = await room.take(bytes, signal);
    got.push(name);
    return taken;
  };
  return { room, got, ask };
}

it('is given in the order of asking, as much as there is', async () => {
  const { got, ask } = asker(100);
  const first = await ask('first', 60);
  const second = ask('second', 50);
  const third = ask('third', 10);
  await setImmediate();
  expect(got).toEqual(['first']);
  first[Symbol.dispose]();
  first[Symbol.dispose]();
  (await second)[Symbol.dispose]();
  (await third)[Symbol.dispose]();
  expect(got).toEqual(['first', 'second', 'third']);
  await ask('all', 100);
});

it('is given to one that wants more than all of it, while no other has any', async () => {
  const { got, ask } = asker(100);
  const small = await ask('small', 1);
  const large = ask('large', 1000);
  const next = ask('next', 1);
  await setImmediate();
  small[Symbol.dispose]();
  const taken = await large;
  await setImmediate();
  expect(got).toEqual(['small', 'large']);
  taken[Symbol.dispose]();
  await next;
});

it('is no longer waited for once the signal fires, and then goes to the next', async () => {
  const { room, got, ask } = asker(100);
  const first = await ask('first', 60);
  const cancelled = new AbortController();
  const second = room.take(100, cancelled.signal);
  const third = ask('third', 40);
  cancelled.abort(new Error('cancelled'));
  await expect(second).rejects.toThrow('cancelled');
  await third;
  expect(got).toEqual(['first', 'third']);
  first[Symbol.dispose]();
  await expect(room.take(1, cancelled.signal)).rejects.toThrow('cancelled');
  await ask('fourth', 60);
});
