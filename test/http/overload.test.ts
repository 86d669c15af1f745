import { expect, it } from 'vitest';
import { startEasel } from '../support/easel.ts';

/** Keeps the event loop from turning, as too much work would. */
function holdUp(ms: number): void {
  const until = performance.now() + ms;
  while (performance.now() < until);
}

it('refuses new pictures while the process cannot keep up, goes on serving, and takes them again after', async () => {
  await using easel = await startEasel();
  await easel.post({ mediaId: 'made', prompt: 'a lighthouse' });
  const calls = easel.upstream.calls.length;

  // Until a sample of the event loop's lateness has been taken that saw nothing else.
  let refused = await easel.post({ mediaId: 'made', prompt: 'a lighthouse' });
  for (let tries = 0; refused.status !== 429 && tries < 20; tries += 1) {
    holdUp(1200);
    refused = await easel.post({ mediaId: 'made', prompt: 'a lighthouse' });
  }
  expect([refused.status, refused.body.code, refused.headers.get('retry-after')]).toEqual([429, 'queue_full', '5']);
  holdUp(1200);
  for (const path of ['/media/made.png', '/health/live', '/images/made', '/metrics']) {
    expect([path, (await easel.get(path)).status]).toEqual([path, 200]);
  }
  expect(easel.upstream.calls).toHaveLength(calls);

  await expect
    .poll(async () => (await easel.post({ mediaId: 'made', prompt: 'a lighthouse' })).status, { timeout: 5000 })
    .toBe(200);
});
