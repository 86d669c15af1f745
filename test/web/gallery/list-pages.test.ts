import { describe, expect, it } from 'vitest';
import {
  countAll,
  entryAt,
  hasMore,
  indexOf,
  type ListPage,
  missingPage,
  placeFor,
  UNREAD,
  withAllStale,
  withInserted,
  without,
  withoutFar,
  withRead,
} from '../../../src/web/gallery/list-pages.ts';
import type { Summary } from '../../../src/web/gallery/summary.ts';

/** An image of this minute; a higher number is newer. */
function image(number: number): Summary {
  const createdAt = new Date(number * 60_000).toISOString();
  return { mediaId: `image-${number}`, createdAt } as Summary;
}

/** The images from `newest` down, `count` of them. */
function images(newest: number, count: number): readonly Summary[] {
  return Array.from({ length: count }, (_, index) => image(newest - index));
}

function idsOf(pages: readonly ListPage[]): readonly (string | undefined)[] {
  return Array.from({ length: countAll(pages) }, (_, index) => entryAt(pages, index)?.mediaId);
}

/** 100 to 91, of which 100 to 96 were read first; nothing behind them. */
const read = withRead(withRead(UNREAD, 0, images(100, 5), 'after 96'), 1, images(95, 5), null);

describe('a list read page by page', () => {
  it('goes on behind each cursor to the end', () => {
    const first = withRead(UNREAD, 0, images(100, 5), 'after 96');
    expect(first.map(({ cursor }) => cursor)).toEqual([null, 'after 96']);
    expect([hasMore(first), hasMore(read)]).toEqual([true, false]);
    expect(idsOf(read)).toEqual(images(100, 10).map(({ mediaId }) => mediaId));
  });

  it('needs the pages on show that are unread or stale, and the next one near its end', () => {
    expect(missingPage(UNREAD, 0, 0)).toBe(0);
    expect(missingPage(read, 0, 100)).toBe(-1);
    const stale = withAllStale(read);
    expect([missingPage(stale, 0, 3), missingPage(stale, 6, 9)]).toEqual([0, 1]);
    const more = withRead(UNREAD, 0, images(100, 5), 'after 96');
    expect([missingPage(more, 0, 4), missingPage(more, 0, 5)]).toEqual([-1, 1]);
  });

  it('takes up what came in front when its first page is read again, however much it is', () => {
    const again = withRead(withAllStale(read), 0, images(108, 6), 'after 103');
    expect(again.map(({ cursor, count }) => [cursor, count])).toEqual([
      [null, 6],
      ['after 103', 1],
      ['after 96', 5],
    ]);
    const whole = withRead(again, 1, images(102, 10), null);
    expect(idsOf(whole)).toEqual(images(108, 18).map(({ mediaId }) => mediaId));
  });

  it('drops from a page what belongs to the next, after images of it were deleted', () => {
    const again = withRead(withAllStale(read), 0, [image(100), image(97), image(96), image(95), image(94)], 'after 94');
    expect(idsOf(again).slice(0, 5)).toEqual(['image-100', 'image-97', 'image-96', 'image-95', 'image-94']);
    expect(again.map(({ count }) => count)).toEqual([3, 5]);
  });

  it('reads on where a page of a search holds nothing', () => {
    const pages = withRead(UNREAD, 0, [], 'further on');
    expect(pages).toMatchObject([{ cursor: 'further on', entries: null }]);
    expect(withRead(pages, 0, [], null)).toMatchObject([{ entries: [], count: 0 }]);
  });

  it('has a place for an image between others, and none where its page is not read', () => {
    const gap = without(read, 'image-98');
    expect([placeFor(gap, image(98)), placeFor(gap, image(101)), placeFor(gap, image(1))]).toEqual([2, 0, 9]);
    expect(idsOf(withInserted(gap, image(98)))).toEqual(idsOf(read));
    expect(placeFor(withRead(UNREAD, 0, images(100, 5), 'after 96'), image(1))).toBe(null);
  });

  it('leaves out pages that are far away, which keep their places', () => {
    const left = withoutFar(read, 5, 9, 0);
    expect([countAll(left), indexOf(left, 'image-100'), indexOf(left, 'image-95')]).toEqual([10, 0, 5]);
    const far = withoutFar(read, 9, 10, 1);
    expect([countAll(far), entryAt(far, 0), indexOf(far, 'image-95')]).toEqual([10, null, 5]);
    expect(missingPage(far, 0, 2)).toBe(0);
  });
});
