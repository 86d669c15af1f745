import { expect, it } from 'vitest';
import {
  type LookedAt,
  MAX_LOOKED_AT,
  type SearchedRecords,
  searchPage,
} from '../../../src/adapters/records/search.ts';
import type { Image } from '../../../src/core/domain/image.ts';
import { anImage, aRequest, at, ms } from '../../contracts/record-store/example-images.ts';

const FIRST = 100_000;
/** Images looked at with one call. */
const LOOK_AT = 1_000;

/**
 * Records m100000, m99999 and so on to m1, of which every `each`th has the word `found`. What is searched is stored beside them, or not
 * where `hasEntries` is false. Counts what is done.
 */
function manyRecords(each: number, hasEntries: boolean) {
  const done = { looked: 0, read: 0, remembered: 0 };
  const imageOf = (number: number): Image =>
    anImage({
      mediaId: `m${number}`,
      createdAt: at(number),
      prompt: 'x',
      request: aRequest({ prompt: number % each === 0 ? 'found' : 'x' }),
    });
  const records: SearchedRecords = {
    async look({ before }, _search, limit) {
      const from = Math.min(FIRST, (before[0] - ms(0)) / 1000 - 1);
      const numbers = Array.from({ length: Math.max(0, Math.min(limit, from)) }, (_, index) => from - index);
      done.looked += numbers.length;
      const images = numbers.map(
        (number): LookedAt => ({
          key: [ms(number), `m${number}`],
          isFound: hasEntries ? number % each === 0 : null,
        }),
      );
      return { images, rows: images.length, isLast: images.length < limit };
    },
    async read(mediaIds) {
      done.read += mediaIds.length;
      return mediaIds.map((mediaId) => imageOf(Number(mediaId.slice(1))));
    },
    async remember(images) {
      done.remembered += images.length;
    },
  };
  return { records, done };
}

/** All pages: what they have, and what the most expensive one has done. */
async function allPages(each: number, hasEntries: boolean) {
  const { records, done } = manyRecords(each, hasEntries);
  const found: string[] = [];
  const most = { ...done };
  let pages = 0;
  for (let cursor: string | undefined; ; ) {
    Object.assign(done, { looked: 0, read: 0, remembered: 0 });
    const page = await searchPage({ q: 'found', owner: null, limit: 10, cursor }, LOOK_AT, records);
    pages += 1;
    found.push(...page.items.map(({ mediaId }) => mediaId));
    expect(page.items.length).toBeLessThanOrEqual(10);
    for (const key of ['looked', 'read', 'remembered'] as const) most[key] = Math.max(most[key], done[key]);
    if (page.nextCursor === null) return { found, most, pages };
    cursor = page.nextCursor;
  }
}

it.each([
  [30_000, 3],
  [40_000, 2],
  [100_001, 0],
])(
  'a page of a search looks at a bounded number of images, and the next goes on: one in %d has the word',
  async (each, count) => {
    const { found, most, pages } = await allPages(each, true);
    expect(found).toEqual(Array.from({ length: count }, (_, index) => `m${each * (count - index)}`));
    expect(most.looked).toBe(MAX_LOOKED_AT);
    // The last page finds that there are no more.
    expect(pages).toBe(FIRST / MAX_LOOKED_AT + 1);
    expect(most.read).toBeLessThanOrEqual(1);
  },
);

it('a page of a word that many have reads about as many records as it gives', async () => {
  const { records, done } = manyRecords(2, true);
  const page = await searchPage({ q: 'found', owner: null, limit: 10 }, LOOK_AT, records);
  expect(page.items.map(({ mediaId }) => mediaId)).toEqual(
    Array.from({ length: 10 }, (_, index) => `m${FIRST - 2 * index}`),
  );
  expect(done).toMatchObject({ looked: LOOK_AT, remembered: 0 });
  expect(done.read).toBeLessThanOrEqual(50);
});

it('a page looks at far fewer images by their records, where nothing is stored beside them, and has that stored', async () => {
  const { found, most } = await allPages(40_000, false);
  expect(found).toEqual(['m80000', 'm40000']);
  expect(most.read).toBeLessThanOrEqual(MAX_LOOKED_AT / 20 + 100);
  expect(most.remembered).toBe(most.read);
});
