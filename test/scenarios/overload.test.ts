import fastify from 'fastify';
import { expect, it } from 'vitest';
import { watchLoad } from '../../src/http/connections/overload.ts';
import { startEasel } from '../support/app/easel.ts';
import { openAiError, picture } from '../support/openai/answers.ts';

const prompt = 'a lighthouse';

/** Blocks the event loop, as too much work would. */
function holdUp(ms: number): void {
  const until = performance.now() + ms;
  while (performance.now() < until);
}

it('overload is reported except during the start, and ends when the event loop is free again', async () => {
  await using app = fastify();
  const isOverloaded = watchLoad(app, { maxEventLoopDelayMs: 50, sampleMs: 100 });
  await app.ready();
  holdUp(150);
  await new Promise(setImmediate);
  expect(isOverloaded()).toBe(false);
  const overloaded = () => {
    holdUp(150);
    return isOverloaded();
  };
  await expect.poll(overloaded, { interval: 0 }).toBe(true);
  await expect.poll(isOverloaded).toBe(false);
});

it('an overloaded process refuses new work, answers requests for existing images, and accepts new work again after', async () => {
  let overloaded = false;
  const env = { IMAGE_MODEL: 'small', IMAGE_SIZE: '256x256', RETRY_MAX_ATTEMPTS: '1' };
  await using easel = await startEasel({ env, isOverloaded: () => overloaded });
  easel.upstream.strict = false;
  await easel.post({ mediaId: 'made', prompt });
  const keyed = await easel.post({ prompt }, { 'idempotency-key': 'one' });
  const gate = easel.upstream.gate();
  easel.upstream.script(openAiError('server_error'), picture({ beforeHeaders: gate }));
  await easel.post({ mediaId: 'failed', prompt });
  await easel.post({ mediaId: 'running', prompt }, { prefer: 'respond-async' });
  await gate.reached();
  const calls = easel.upstream.calls.length;

  overloaded = true;
  for (const mediaId of ['failed', 'new']) {
    const { status, body, headers } = await easel.post({ mediaId, prompt });
    expect([status, body.code, headers.get('retry-after')]).toEqual([429, 'queue_full', '5']);
  }
  expect(await easel.post({ mediaId: 'made', prompt })).toMatchObject({ status: 200, body: { status: 'succeeded' } });
  expect(await easel.post({ prompt }, { 'idempotency-key': 'one' })).toMatchObject({
    status: 200,
    body: { mediaId: keyed.body.mediaId },
  });
  expect((await easel.post({ mediaId: 'made', prompt: 'a tower' })).body.code).toBe('media_id_conflict');
  for (const path of ['/media/made.png', '/health/live', '/images/made', '/metrics']) {
    expect([path, (await easel.get(path)).status]).toEqual([path, 200]);
  }
  const joined = easel.post({ mediaId: 'running', prompt });
  gate.open();
  expect(await joined).toMatchObject({ status: 200, body: { status: 'succeeded' } });
  expect(easel.upstream.calls).toHaveLength(calls);

  overloaded = false;
  expect((await easel.post({ mediaId: 'failed', prompt })).status).toBe(201);
});
