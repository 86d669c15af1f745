import { expect, it } from 'vitest';
import { createBytesInHand } from '../../../src/core/domain/bytes-in-hand.ts';

it('refuses what is too much together with other requests, until they are disposed of', () => {
  const { open } = createBytesInHand(100);
  const [first, second] = [open(), open()];
  first.add(60);
  second.add(40);
  expect(() => second.add(1)).toThrow(expect.objectContaining({ code: 'queue_full', retryAfterSeconds: 5 }));
  expect(() => first.add(1)).toThrow(expect.objectContaining({ code: 'queue_full' }));
  first[Symbol.dispose]();
  first[Symbol.dispose]();
  second.add(60);
});

it('refuses for good what is too much for any request, and counts it nowhere', () => {
  const inHand = createBytesInHand(100);
  const [first, second] = [inHand.open(), inHand.open()];
  first.add(70);
  expect(() => first.add(31)).toThrow(expect.objectContaining({ code: 'payload_too_large' }));
  expect(() => second.add(101)).toThrow(expect.objectContaining({ code: 'payload_too_large' }));
  expect(inHand.bytes).toBe(70);
  first[Symbol.dispose]();
  second.add(100);
});
