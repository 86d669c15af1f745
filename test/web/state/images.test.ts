import { expect, it } from 'vitest';
import type { ImageRecord, PartialPicture } from '../../../src/web/service/types.ts';
import { createImages } from '../../../src/web/state/images.ts';

const running = (mediaId: string) => ({ mediaId, status: 'generating' }) as ImageRecord;
const partial = (mediaId: string, base64: string) => ({ mediaId, base64 }) as PartialPicture;

it('a view that opens after a partial picture came shows the newest, until the image has ended', () => {
  const images = createImages();
  images.apply({ type: 'partial', data: partial('a', 'first') });
  images.apply({ type: 'partial', data: partial('a', 'second') });
  images.note(running('a'));
  expect(images.of('a').get()?.partial?.base64).toBe('second');

  images.apply({ type: 'done', data: { ...running('a'), status: 'failed' } });
  images.note(running('a'));
  expect(images.of('a').get()?.partial).toBeNull();
});

it('keeps the partial pictures of few images, and none of what was deleted or another key saw', () => {
  const images = createImages();
  const names = Array.from({ length: 9 }, (_, index) => `image-${index}`);
  for (const mediaId of names) images.apply({ type: 'partial', data: partial(mediaId, mediaId) });
  images.apply({ type: 'deleted', data: { mediaId: 'image-8' } });
  images.keepOnly(() => false);
  const kept = () => {
    for (const mediaId of names) images.note(running(mediaId));
    return names.filter((mediaId) => images.of(mediaId).get()?.partial);
  };
  expect(kept()).toEqual(['image-1', 'image-2', 'image-3', 'image-4', 'image-5', 'image-6', 'image-7']);
  images.clear();
  expect(kept()).toEqual([]);
});
