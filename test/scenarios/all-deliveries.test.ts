import { expect, it } from 'vitest';
import type { z } from 'zod';
import { deliveryPage } from '../../src/api/deliveries.ts';
import { startEasel } from '../support/app/easel.ts';
import { startReceiver, TEST_SECRET } from '../support/network/webhook-receiver.ts';
import { bearer, TEST_KEYS } from '../support/test-keys.ts';
import { until } from '../support/until.ts';

type Page = z.output<typeof deliveryPage>;
const SECRET_PATH = '/hooks/secret-path?token=secret-token';

it('GET /deliveries lists what each key sees by where it stands: host, tries, last answer and next try, page by page', async () => {
  await using receiver = await startReceiver();
  await using easel = await startEasel({
    env: { API_KEYS: TEST_KEYS, WEBHOOK_SECRET: TEST_SECRET, WEBHOOK_ALLOW_HOSTS: '127.0.0.1' },
    // A try that failed waits for the next one.
    skipMs: 0,
  });
  const list = async (query = '', name = 'desk'): Promise<Page> => {
    const response = await easel.get(`/deliveries${query}`, bearer(name));
    expect(response.status).toBe(200);
    const text = await response.text();
    expect(text).not.toContain('secret');
    return deliveryPage.parse(JSON.parse(text));
  };
  const idsOf = async (query?: string, name?: string) => (await list(query, name)).items.map(({ mediaId }) => mediaId);
  const deliver = async (mediaId: string, key: string, status: number, end: string) => {
    receiver.always({ status });
    const body = { mediaId, prompt: mediaId, webhookUrl: `http://user:secret@${receiver.host}${SECRET_PATH}` };
    expect((await easel.post(body, bearer(key))).status).toBe(201);
    await until(async () =>
      (await list()).items.some((item) => item.mediaId === mediaId && item.status === end && item.attempts === 1),
    );
  };

  expect(await list()).toEqual({ items: [], nextCursor: null });
  await deliver('good', 'blog', 200, 'delivered');
  await deliver('gone', 'blog', 410, 'failed');
  await deliver('busy', 'shop', 503, 'failing');

  const host = receiver.host;
  const { items } = await list();
  const common = { id: expect.stringMatching(/^msg_/), host, attempts: 1 };
  expect(items).toEqual([
    {
      ...common,
      mediaId: 'busy',
      status: 'failing',
      lastStatus: 503,
      lastError: expect.stringContaining('503'),
      nextAttemptAt: expect.stringMatching(/Z$/),
    },
    {
      ...common,
      mediaId: 'gone',
      status: 'failed',
      lastStatus: 410,
      lastError: expect.stringContaining('410'),
      nextAttemptAt: null,
    },
    { ...common, mediaId: 'good', status: 'delivered', lastStatus: 200, lastError: null, nextAttemptAt: null },
  ]);
  expect(await idsOf('?status=failing')).toEqual(['busy']);
  expect(await idsOf('?status=failed')).toEqual(['gone']);
  expect(await idsOf('?status=delivered')).toEqual(['good']);
  expect(await idsOf('', 'blog')).toEqual(['gone', 'good']);
  expect(await idsOf('?status=failing', 'blog')).toEqual([]);
  expect(await idsOf('', 'viewer')).toEqual([]);
  expect(await idsOf('', 'boss')).toEqual(['busy', 'gone', 'good']);

  const first = await list('?limit=2');
  expect(first.items.map(({ mediaId }) => mediaId)).toEqual(['busy', 'gone']);
  expect(await list(`?limit=2&cursor=${first.nextCursor}`)).toMatchObject({
    items: [{ mediaId: 'good' }],
    nextCursor: null,
  });

  expect((await easel.get('/deliveries', bearer('maker'))).status).toBe(403);
  for (const [query, path] of [
    ['?cursor=x', 'cursor'],
    ['?cursor=', 'cursor'],
    ['?limit=0', 'limit'],
    ['?limit=101', 'limit'],
    ['?status=pending', 'status'],
    ['?status=disabled', 'status'],
    ['?label=x', 'label'],
  ]) {
    const response = await easel.get(`/deliveries${query}`, bearer('desk'));
    const problem = (await response.json()) as { code: string; errors: { path: string }[] };
    expect([query, response.status, problem.code, problem.errors.map((error) => error.path)]).toEqual([
      query,
      400,
      'invalid_request',
      [path],
    ]);
  }
});
