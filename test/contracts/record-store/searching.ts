import fc from 'fast-check';
import { beforeEach, describe, expect, it } from 'vitest';
import { IMAGE_STATUSES, type Image } from '../../../src/core/domain/image.ts';
import type { ListQuery } from '../../../src/core/ports/record-store.ts';
import { LONGEST_WAIT_MS } from '../../support/until.ts';
import { anImage, aRequest, at } from './example-images.ts';
import type { OpenedRecords } from './fixture.ts';

/** Texts that a search without care would take for something else: signs of SQL's patterns, and letters that change with their case. */
const TEXTS = [
  'a lighthouse at dusk',
  'A LIGHTHOUSE, 100 % grey',
  'under_score and underXscore',
  'it\'s a \\ and a * and a "quote"',
  'Straße',
  'STRASSE 🗼',
  'İstanbul',
  'ISPARTA',
  'ıspanak',
  'cafe\u0301',
  'CAFÉ 👩‍🚀',
  'ΟΔΟΣ',
  'a\u{10400}b',
];

const WORDS = [
  ...['lighthouse', 'LIGHT', 'a', 'grey', '%', '_', 'r_s', 'x', '\\', '*', '"', "'", "it's", 'strasse', 'ß', 'SS', 'ẞ'],
  ...[
    'istanbul',
    'İ',
    'i',
    'I',
    'ı',
    'spa',
    'café',
    'cafe\u0301',
    'CAFÉ',
    'cafe',
    '🗼',
    '👩',
    '🚀',
    'οδος',
    'Σ',
    'ς',
    '\u{10428}',
  ],
  ...['a%', '%a', '100', 'NULL', 'nothing', '--', '/*', '$1', '?', ':words'],
];

/** The folding that is promised, in the other words of a model: letter by letter, by what Unicode gives as the upper case of the lower. */
function folded(text: string): string {
  const letters = [...text.normalize('NFC')].map((letter) => letter.toLowerCase().toUpperCase());
  return letters.join('').normalize('NFD').replaceAll('I\u0307', 'I').normalize('NFC');
}

/** What a list has to give, by a plain filter over all images. */
function expected(images: readonly Image[], query: ListQuery): readonly string[] {
  const { q, preset, label, status, owner, createdAfter, createdBefore } = query;
  const words = (q ?? '').split(' ').filter((word) => word !== '');
  return images
    .filter(({ prompt, request }) => {
      const texts = [prompt, request.prompt ?? '', ...Object.values(request.brief ?? {}).flat()].map(folded);
      return words.every((word) => texts.some((text) => text.includes(folded(word))));
    })
    .filter(
      ({ request }) => preset === undefined || request.preset === preset || request.preset?.split('@')[0] === preset,
    )
    .filter(({ request }) => label === undefined || label.some((one) => request.labels.includes(one)))
    .filter((image) => status === undefined || status.includes(image.status))
    .filter((image) => owner === null || image.owner === owner)
    .filter(({ createdAt }) => createdAfter === undefined || createdAt >= createdAfter)
    .filter(({ createdAt }) => createdBefore === undefined || createdAt < createdBefore)
    .toSorted((one, other) => {
      const key = (image: Image) => `${image.createdAt} ${image.mediaId}`;
      return key(one) < key(other) ? 1 : -1;
    })
    .map(({ mediaId }) => mediaId);
}

const text = fc.constantFrom(...TEXTS);
const image = fc
  .record({
    second: fc.nat(6),
    owner: fc.constantFrom('anna', 'bert'),
    status: fc.constantFrom(...IMAGE_STATUSES),
    labels: fc.subarray(['red', 'blue', 'pinned']),
    preset: fc.constantFrom(null, 'icon@1', 'icon@2', 'icon-2@1', 'product@10', 'product@1'),
    sent: text,
    prompt: fc.option(text),
    subject: text,
    palette: fc.subarray(TEXTS, { maxLength: 2, minLength: 1 }),
  })
  .map(({ second, owner, status, labels, preset, sent, prompt, subject, palette }) => {
    const brief = prompt === null ? { subject, palette } : null;
    const request = aRequest({ prompt, brief, preset, labels });
    return anImage({ createdAt: at(second), owner, status, prompt: sent, request });
  });
const images = fc
  .array(image, { minLength: 1, maxLength: 14, size: 'max' })
  .map((all) => all.map((one, index) => ({ ...one, mediaId: `m${index}` })));

const query = fc.record(
  {
    q: fc.array(fc.constantFrom(...WORDS), { minLength: 1, maxLength: 2 }).map((words) => words.join(' ')),
    preset: fc.constantFrom('icon', 'icon@1', 'icon-2', 'product@1', 'product', 'ico', 'icon@', 'none'),
    label: fc.subarray(['red', 'blue', 'pinned', 'none'], { minLength: 1 }),
    status: fc.subarray([...IMAGE_STATUSES], { minLength: 1 }),
    createdAfter: fc.nat(6).map(at),
    createdBefore: fc.nat(6).map(at),
    owner: fc.constantFrom(null, 'anna', 'bert'),
    limit: fc.integer({ min: 1, max: 5 }),
  },
  { requiredKeys: ['owner', 'limit'] },
);

export function describeSearching({ records, store, listed }: OpenedRecords): void {
  describe('a search', () => {
    /** The mediaIds on all pages, each of which has at most the limit. */
    const pagesOf = async (filters: ListQuery): Promise<readonly string[]> => {
      const seen: string[] = [];
      let cursor: string | null = null;
      do {
        const page = await records().list({ ...filters, ...(cursor !== null && { cursor }) });
        expect(page.items.length).toBeLessThanOrEqual(filters.limit);
        seen.push(...page.items.map(({ mediaId }) => mediaId));
        expect(page.nextCursor).not.toBe(cursor ?? '');
        cursor = page.nextCursor;
      } while (cursor !== null);
      return seen;
    };

    it(
      'finds what a plain filter finds, page by page, whatever the words and the other filters are',
      async () => {
        await fc.assert(
          fc.asyncProperty(images, fc.array(query, { minLength: 12, maxLength: 12 }), async (all, queries) => {
            await store(...all);
            for (const filters of queries) expect(await pagesOf(filters)).toEqual(expected(all, filters));
            for (const { mediaId } of all) {
              await records().remove(mediaId);
              await records().deletionDone(mediaId);
            }
          }),
          { numRuns: 25 },
        );
      },
      9 * LONGEST_WAIT_MS,
    );

    describe('among pictures', () => {
      beforeEach(() =>
        store(
          anImage({
            mediaId: 'brief',
            request: aRequest({ prompt: null, brief: { subject: 'Wal', palette: ['Türkis'] } }),
          }),
          anImage({ mediaId: 'plain', prompt: 'sent', request: aRequest({ prompt: 'a red fox' }) }),
        ),
      );

      it('finds words of the caller, of the brief and of the prompt that is sent, and none that spans two of them', async () => {
        expect(await listed({ q: 'FOX  red' })).toEqual(['plain']);
        expect(await listed({ q: 'sent' })).toEqual(['plain']);
        expect(await listed({ q: 'wal TÜRKIS' })).toEqual(['brief']);
        expect(await listed({ q: 'sent fox' })).toEqual(['plain']);
        expect(await listed({ q: 'waltürkis' })).toEqual([]);
        expect(await listed({ q: 'foxsent' })).toEqual([]);
      });

      it('follows the prompt of another provider', async () => {
        await records().update('plain', (one) => ({ ...one, prompt: 'rewritten for another' }));
        expect(await listed({ q: 'sent' })).toEqual([]);
        expect(await listed({ q: 'another REWRITTEN' })).toEqual(['plain']);
        expect(await listed({ q: 'fox' })).toEqual(['plain']);
      });

      it('forgets a picture that is removed, and knows one that gets its name', async () => {
        await records().remove('plain');
        await records().deletionDone('plain');
        expect(await listed({ q: 'fox' })).toEqual([]);
        await store(anImage({ mediaId: 'plain', request: aRequest({ prompt: 'a badger' }) }));
        expect(await listed({ q: 'fox' })).toEqual([]);
        expect(await listed({ q: 'badger' })).toEqual(['plain']);
      });

      it('takes a NUL and half a surrogate pair for no letter that there is', async () => {
        expect(await listed({ q: '\0' })).toEqual([]);
        expect(await listed({ q: '\ud83d' })).toEqual([]);
      });
    });

    it('gives a picture once that has several of the labels', async () => {
      const request = aRequest({ labels: ['red', 'blue'] });
      await store(
        anImage({ mediaId: 'a', request, createdAt: at(1) }),
        anImage({ mediaId: 'b', request, createdAt: at(2) }),
      );
      const query = { owner: null, label: ['blue', 'none', 'red'] };
      expect(await listed(query)).toEqual(['b', 'a']);
      expect(await pagesOf({ ...query, limit: 1 })).toEqual(['b', 'a']);
    });

    it('gives the same from a cursor although a time before it is the bound', async () => {
      await store(...[1, 2, 3, 4].map((second) => anImage({ mediaId: `m${second}`, createdAt: at(second) })));
      const { nextCursor } = await records().list({ q: 'dusk', limit: 1, owner: null });
      const query = { q: 'dusk', cursor: nextCursor ?? '' };
      expect(await listed({ ...query, createdBefore: at(3) })).toEqual(['m2', 'm1']);
      expect(await listed({ ...query, createdAfter: at(2) })).toEqual(['m3', 'm2']);
      await expect(records().list({ q: 'dusk', limit: 1, owner: null, cursor: 'x' })).rejects.toMatchObject({
        code: 'invalid_request',
        paths: [{ path: 'cursor' }],
      });
    });
  });
}
