import { expect, it } from 'vitest';
import type { PartialPicture } from '../../../src/web/service/types.ts';
import { createPartialPictures } from '../../../src/web/state/partial-pictures.ts';

const partial = (mediaId: string, base64 = mediaId) => ({ mediaId, base64 }) as PartialPicture;

it('the newest partial picture of an image is kept until the image has ended', () => {
  const partials = createPartialPictures();
  partials.keep(partial('a', 'first'));
  partials.keep(partial('a', 'second'));
  partials.noteStatus('a', 'generating');
  expect(partials.of('a')?.base64).toBe('second');
  partials.noteStatus('a', 'processing');
  expect(partials.of('a')).toBeNull();
});

it('the partial pictures of few images are kept, and none of what was deleted or another key saw', () => {
  const partials = createPartialPictures();
  const names = Array.from({ length: 9 }, (_, index) => `image-${index}`);
  for (const mediaId of names) partials.keep(partial(mediaId));
  partials.drop('image-8');
  expect(names.filter((mediaId) => partials.of(mediaId))).toEqual(names.slice(1, 8));
  partials.clear();
  expect(names.filter((mediaId) => partials.of(mediaId))).toEqual([]);
});
