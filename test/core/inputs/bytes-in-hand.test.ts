import { expect, it } from 'vitest';
import { createBytesInHand } from '../../../src/core/inputs/bytes-in-hand.ts';

it('refuses what is too much together with other requests, until they are disposed of', () => {
  const open = createBytesInHand(100);
  const [first, second] = [open(), open()];
  first.add(60);
  second.add(40);
  expect(() => second.add(1)).toThrow(expect.objectContaining({ code: 'queue_full', retryAfterSeconds: 5 }));
  expect(() => first.add(1)).toThrow(expect.objectContaining({ code: 'queue_full' }));
  first[Symbol.dispose]();
  first[Symbol.dispose]();
  second.add(60);
});

it('serves a request that is alone, whatever it takes', () => {
  const open = createBytesInHand(100);
  const [first, second] = [open(), open()];
  first.add(70);
  first.add(70);
  expect(() => second.add(1)).toThrow(expect.objectContaining({ code: 'queue_full' }));
  first[Symbol.dispose]();
  second.add(200);
});
