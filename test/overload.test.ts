import { expect, it } from 'vitest';
import { startEasel } from './support/easel.ts';
import { openAiError, picture } from './support/openai-answers.ts';

const env = { IMAGE_MODEL: 'small', IMAGE_SIZE: '256x256', RETRY_MAX_ATTEMPTS: '1' };
const prompt = 'a lighthouse';
const FAILED = { mediaId: 'failed', prompt };
const ASYNC = { prefer: 'respond-async' };

/** Keeps the event loop from turning, as too much work would. */
function holdUp(ms: number): void {
  const until = performance.now() + ms;
  while (performance.now() < until);
}

it('refuses new work while the process cannot keep up, tells callers of theirs, and takes new work again after', async () => {
  await using easel = await startEasel({ env, loadLimits: { maxLatenessMs: 100, sampleMs: 200 } });
  easel.upstream.strict = false;
  const accepted = async (body: object, headers = {}) => {
    const answer = await easel.post(body, headers);
    expect(answer.body.code).not.toBe('queue_full');
    return answer;
  };
  await accepted({ mediaId: 'made', prompt });
  const keyed = await accepted({ prompt }, { 'idempotency-key': 'one' });
  easel.upstream.script(openAiError('server_error'));
  await accepted(FAILED);
  const gate = easel.upstream.gate();
  easel.upstream.script(picture({ beforeHeaders: gate }));
  await accepted({ mediaId: 'running', prompt }, ASYNC);
  await gate.reached();
  const calls = easel.upstream.calls.length;

  const overloaded = async (body: object) => {
    holdUp(250);
    return await easel.post(body);
  };
  // Until a sample of the event loop's lateness has been taken that saw little else.
  await expect.poll(async () => (await overloaded(FAILED)).status, { interval: 0, timeout: 10_000 }).toBe(429);
  const { status, body, headers } = await overloaded({ mediaId: 'new', prompt });
  expect([status, body.code, headers.get('retry-after')]).toEqual([429, 'queue_full', '5']);
  expect(await overloaded({ mediaId: 'made', prompt })).toMatchObject({ status: 200, body: { status: 'succeeded' } });
  holdUp(250);
  expect(await easel.post({ prompt }, { 'idempotency-key': 'one' })).toMatchObject({
    status: 200,
    body: { mediaId: keyed.body.mediaId },
  });
  expect((await overloaded({ mediaId: 'made', prompt: 'a tower' })).body.code).toBe('media_id_conflict');
  for (const path of ['/media/made.png', '/health/live', '/images/made', '/metrics']) {
    expect([path, (await easel.get(path)).status]).toEqual([path, 200]);
  }
  holdUp(250);
  const joined = easel.post({ mediaId: 'running', prompt });
  gate.open();
  expect(await joined).toMatchObject({ status: 200, body: { status: 'succeeded' } });
  expect(easel.upstream.calls).toHaveLength(calls);

  await expect.poll(async () => (await easel.post(FAILED)).status, { timeout: 10_000 }).toBe(201);
});
