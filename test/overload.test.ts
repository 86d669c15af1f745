import { expect, it } from 'vitest';
import { startEasel } from './support/easel.ts';
import { openAiError, picture } from './support/openai-answers.ts';

const KEPT_UP = { maxLatenessMs: Number.POSITIVE_INFINITY, sampleMs: 10 };
/** Even a loop that is on time is later than this. */
const TOO_LATE = -1;
const QUICK = { IMAGE_MODEL: 'small', IMAGE_SIZE: '256x256', RETRY_MAX_ATTEMPTS: '1' };
const ASYNC = { prefer: 'respond-async' };

it('refuses new work while the process cannot keep up, tells callers of theirs, and takes new work again after', async () => {
  const load = { ...KEPT_UP };
  await using easel = await startEasel({ load, env: QUICK });
  easel.upstream.strict = false;
  await easel.post({ mediaId: 'made', prompt: 'a lighthouse' });
  const keyed = await easel.post({ prompt: 'a lighthouse' }, { 'idempotency-key': 'one' });
  easel.upstream.script(openAiError('server_error'));
  await easel.post({ mediaId: 'failed', prompt: 'a lighthouse' });
  const gate = easel.upstream.gate();
  easel.upstream.script(picture({ beforeHeaders: gate }));
  await easel.post({ mediaId: 'running', prompt: 'a lighthouse' }, ASYNC);
  await gate.reached();
  const calls = easel.upstream.calls.length;

  load.maxLatenessMs = TOO_LATE;
  await expect.poll(async () => (await easel.post({ mediaId: 'failed', prompt: 'a lighthouse' })).status).toBe(429);
  for (const request of [{ prompt: 'a tower' }, { mediaId: 'new', prompt: 'a tower' }]) {
    const { status, body, headers } = await easel.post(request);
    expect([status, body.code, headers.get('retry-after')]).toEqual([429, 'queue_full', '5']);
  }
  expect(await easel.post({ mediaId: 'made', prompt: 'a lighthouse' })).toMatchObject({
    status: 200,
    body: { mediaId: 'made', status: 'succeeded' },
  });
  expect(await easel.post({ prompt: 'a lighthouse' }, { 'idempotency-key': 'one' })).toMatchObject({
    status: 200,
    body: { mediaId: keyed.body.mediaId },
  });
  expect((await easel.post({ mediaId: 'made', prompt: 'a tower' })).body.code).toBe('media_id_conflict');
  for (const path of ['/media/made.png', '/health/live', '/images/made', '/metrics']) {
    expect([path, (await easel.get(path)).status]).toEqual([path, 200]);
  }
  const joined = easel.post({ mediaId: 'running', prompt: 'a lighthouse' });
  gate.open();
  expect(await joined).toMatchObject({ status: 200, body: { status: 'succeeded' } });
  expect(easel.upstream.calls).toHaveLength(calls);

  load.maxLatenessMs = KEPT_UP.maxLatenessMs;
  expect((await easel.post({ mediaId: 'failed', prompt: 'a lighthouse' })).status).toBe(201);
});
