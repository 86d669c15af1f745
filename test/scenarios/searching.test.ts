import { expect, test } from 'vitest';
import type { ImageRecord } from '../../src/core/domain/record.ts';
import type { CleanupReport } from '../../src/core/ports/record-store.ts';
import { type Easel, startEasel } from '../support/app/easel.ts';
import { bearer, TEST_KEYS } from '../support/test-keys.ts';

const env = { PROVIDERS: 'placeholder', API_KEYS: TEST_KEYS };

async function getJson<T>(easel: Easel, path: string, name: string): Promise<T> {
  const response = await easel.get(path, bearer(name));
  expect(response.status).toBe(200);
  return (await response.json()) as T;
}

test('a key searches and counts what it sees, by the prompt that is sent too', async () => {
  await using easel = await startEasel({ env });
  const make = (name: string, mediaId: string, body: object) =>
    easel.post({ mediaId, size: '64x64', renditions: [], ...body }, bearer(name));
  await make('blog', 'street', { prompt: 'Große Straße, 100 % grey', labels: ['a', 'b'] });
  await make('blog', 'icon', { brief: { subject: 'a whale' }, preset: 'icon', labels: ['b'] });
  await make('shop', 'other', { prompt: 'a street', labels: ['b', 'c'] });
  const found = async (query: string, name = 'blog') => {
    const { items } = await getJson<{ readonly items: readonly ImageRecord[] }>(easel, `/images?${query}`, name);
    return items.map(({ mediaId }) => mediaId).toSorted();
  };
  expect(await found('q=STRASSE%20100')).toEqual(['street']);
  expect(await found('q=%25')).toEqual(['street']);
  expect(await found('q=_')).toEqual([]);
  expect(await found('q=WHALE')).toEqual(['icon']);
  // Of the prompt that was sent.
  const { prompt } = await getJson<ImageRecord>(easel, '/images/icon', 'blog');
  const word = prompt.match(/\p{L}{5,}/gu)?.at(-1) ?? '';
  expect(await found(`q=${encodeURIComponent(word.toUpperCase())}&preset=icon@1`)).toEqual(['icon']);
  expect(await found('q=a&preset=article-hero')).toEqual([]);
  expect(await found('q=street')).toEqual([]);
  expect(await found('label=a&label=c')).toEqual(['street']);
  expect(await found('label=a&label=c', 'boss')).toEqual(['other', 'street']);

  const labels = (name: string) => getJson(easel, '/labels', name);
  expect(await labels('blog')).toEqual({
    items: [
      { label: 'b', images: 2 },
      { label: 'a', images: 1 },
    ],
  });
  expect(await labels('boss')).toEqual({
    items: [
      { label: 'b', images: 3 },
      { label: 'a', images: 1 },
      { label: 'c', images: 1 },
    ],
  });
  expect((await easel.get('/labels')).status).toBe(401);

  const clean = async (order: object): Promise<CleanupReport> => {
    const headers = { 'content-type': 'application/json', ...bearer('boss') };
    const response = await fetch(`${easel.url}/cleanup`, { method: 'POST', headers, body: JSON.stringify(order) });
    expect(response.status).toBe(200);
    return (await response.json()) as CleanupReport;
  };
  easel.clock.advance(1_000);
  const order = { olderThan: '0s', label: 'b', key: 'blog' };
  expect(await clean({ ...order, dryRun: true })).toMatchObject({ deleted: 2, mediaIds: ['street', 'icon'] });
  expect(await clean(order)).toMatchObject({ deleted: 2, kept: 1 });
  expect(await found('status=succeeded', 'boss')).toEqual(['other']);
  expect(await labels('blog')).toEqual({ items: [] });
});
