import { expect, it } from 'vitest';
import { createNewestPartials } from '../../../../src/core/images/feed/newest-partials.ts';

const picture = (mediaId: string, index: number, base64 = 'aGk=') => ({ mediaId, index, base64 });

it('gives the newest of each call, oldest first, of owners that are seen', () => {
  const partials = createNewestPartials();
  partials.keep(picture('a', 0), 'blog');
  partials.keep(picture('b', 0), 'shop');
  partials.keep(picture('a', 1), 'blog');
  const all = () => true;
  expect(partials.after(0, all)).toEqual({ number: 2, owner: 'shop', picture: picture('b', 0) });
  expect(partials.after(2, all)).toEqual({ number: 3, owner: 'blog', picture: picture('a', 1) });
  expect(partials.after(0, (owner) => owner === 'blog')?.picture.mediaId).toBe('a');
  expect([partials.after(3, all), partials.last()]).toEqual([null, 3]);
  partials.drop('b');
  expect(partials.after(0, all)?.number).toBe(3);
});

it('keeps at most 32 pictures and 32 MiB, the newest always', () => {
  const partials = createNewestPartials();
  const kept = () => {
    const found: string[] = [];
    for (let next = partials.after(0, () => true); next; next = partials.after(next.number, () => true)) {
      found.push(next.picture.mediaId);
    }
    return found;
  };
  for (let count = 0; count < 40; count += 1) partials.keep(picture(`x${count}`, 0), 'blog');
  expect(kept()).toEqual(Array.from({ length: 32 }, (_, index) => `x${index + 8}`));
  const large = 'x'.repeat(12 * 1024 * 1024);
  for (const mediaId of ['l1', 'l2', 'l3']) partials.keep(picture(mediaId, 0, large), 'blog');
  expect(kept()).toEqual(['l2', 'l3']);
  partials.keep(picture('huge', 0, 'x'.repeat(40 * 1024 * 1024)), 'blog');
  expect(kept()).toEqual(['huge']);
});
