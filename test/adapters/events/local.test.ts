import { expect, it } from 'vitest';
import { createImageEvents } from '../../../src/adapters/events/local.ts';
import type { PartialPicture } from '../../../src/core/ports/image-events.ts';
import { describeImageEvents } from '../../contracts/image-events.ts';

describeImageEvents('in-process', async () => ({
  open: async () => createImageEvents(),
  dispose: async () => {},
}));

it('calls listeners synchronously, in the order of their subscriptions', () => {
  const events = createImageEvents();
  const called: string[] = [];
  for (const name of ['first', 'second']) events.subscribe('a', { changed: () => void called.push(name) });
  events.publish('a', null);
  expect(called).toEqual(['first', 'second']);
});

it('encodes a partial picture once for all listeners', () => {
  const events = createImageEvents();
  const received: PartialPicture[] = [];
  for (let listeners = 0; listeners < 2; listeners += 1) {
    events.subscribe('a', { changed() {}, partial: (picture) => void received.push(picture) });
  }
  events.openPartials({ mediaId: 'a', owner: 'blog' }).sink(Buffer.from('picture'), 0);
  expect(received).toHaveLength(2);
  expect(received[0]).toBe(received[1]);
});
