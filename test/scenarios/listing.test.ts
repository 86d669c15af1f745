import { afterAll, beforeAll, expect, test } from 'vitest';
import type { ImageRecord } from '../../src/core/domain/record.ts';
import { type Easel, startEasel } from '../support/app/easel.ts';

let easel: Easel;
beforeAll(async () => {
  easel = await startEasel({ env: { PROVIDERS: 'placeholder', CONCURRENCY: '2' } });
});
afterAll(() => easel[Symbol.asyncDispose]());

const make = (mediaId: string, labels: readonly string[] = []) =>
  easel.post({ mediaId, prompt: mediaId, size: '16x16', renditions: [], labels }, { prefer: 'respond-async' });
const remove = (mediaId: string) => fetch(`${easel.url}/images/${mediaId}`, { method: 'DELETE' });

interface Page {
  readonly items: readonly ImageRecord[];
  readonly nextCursor: string | null;
}
const page = async (query: string) => (await (await easel.get(`/images?${query}`)).json()) as Page;

/** Pages through a list, calling `meanwhile` after each page; returns the mediaIds in order. */
async function walk(query: string, meanwhile: (page: Page) => Promise<void> = async () => {}) {
  const seen: ImageRecord[] = [];
  for (let cursor: string | null = ''; cursor !== null; ) {
    const one: Page = await page(`${query}${cursor && `&cursor=${cursor}`}`);
    seen.push(...one.items);
    cursor = one.nextCursor;
    await meanwhile(one);
  }
  return seen.map(({ mediaId }) => mediaId);
}

test('lists every image that stays exactly once while others are added and deleted', async () => {
  const names = Array.from({ length: 40 }, (_, index) => `old-${index}`);
  await Promise.all(names.map((name) => make(name, ['walk'])));
  const before = await walk('limit=100&label=walk');
  expect([...before].sort()).toEqual([...names].sort());

  const gone = new Set<string>();
  let born = 0;
  const churn = async ({ items }: Page) => {
    // Deletes one already listed, one not yet listed, and every other time the last of the page, which the cursor points to.
    const last = items.at(-1)?.mediaId;
    const ahead = before[before.indexOf(last ?? '') + 3];
    const victims = [items[0]?.mediaId, ahead, born % 2 === 0 ? last : undefined].filter((name) => name !== undefined);
    for (const name of victims) gone.add(name);
    await Promise.all([...victims.map(remove), ...Array.from({ length: 3 }, () => make(`new-${born++}`, ['walk']))]);
  };
  for (const query of ['limit=7', 'limit=7&label=walk']) {
    gone.clear();
    const start = await walk(`${query.replace('7', '100')}`);
    const seen = await walk(query, churn);
    expect(new Set(seen).size).toBe(seen.length);
    expect(seen.filter((name) => !gone.has(name))).toEqual(start.filter((name) => !gone.has(name)));
  }
});

test('filters by time: the lower bound is included, the upper one is not', async () => {
  await make('timed');
  const { createdAt } = await easel.record('timed');
  const at = (ms: number) => encodeURIComponent(new Date(Date.parse(createdAt) + ms).toISOString());
  const found = async (query: string) => (await walk(`limit=100&${query}`)).includes('timed');

  expect(await found(`createdAfter=${at(0)}`)).toBe(true);
  expect(await found(`createdAfter=${at(1)}`)).toBe(false);
  expect(await found(`createdBefore=${at(0)}`)).toBe(false);
  expect(await found(`createdBefore=${at(1)}`)).toBe(true);
  expect(await found(`createdAfter=${at(0)}&createdBefore=${at(1)}`)).toBe(true);
  const twoHoursEast = new Date(Date.parse(createdAt) + 7_200_000).toISOString().replace('Z', '%2B02:00');
  expect(await found(`createdAfter=${twoHoursEast}`)).toBe(true);
  expect(await found(`createdAfter=2020-01-01&createdBefore=2999-12-31`)).toBe(true);
  expect(await found(`createdAfter=2999-12-31`)).toBe(false);
});

test.each([
  ['cursor', 'nonsense'],
  ['cursor', 'WzEsMl0'],
  ['cursor', '%00'],
  ['createdAfter', 'yesterday'],
  ['createdAfter', '2026-02-30'],
  ['createdBefore', '2026-11-23T16:00:00'],
  ['createdBefore', '2026-11-23T16:00:00+02:00'],
  ['createdBefore', ''],
])('%s=%s is a 400 that names it', async (path, value) => {
  const response = await easel.get(`/images?${path}=${value}`);
  expect(response.status).toBe(400);
  expect(await response.json()).toMatchObject({ code: 'invalid_request', instance: '/images', errors: [{ path }] });
});
