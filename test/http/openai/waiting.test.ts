import { describe, expect, test } from 'vitest';
import { ANONYMOUS } from '../../../src/core/domain/request.ts';
import { isRecognisable, mayComeAgain } from '../../../src/http/openai/waiting.ts';
import { type Easel, startEasel } from '../../support/app/easel.ts';
import { picture } from '../../support/openai/answers.ts';
import { eventually, until } from '../../support/until.ts';

const REQUEST = { prompt: 'a lighthouse', size: '1024x640' };

function generate(easel: Easel, headers: Readonly<Record<string, string>> = {}, signal: AbortSignal | null = null) {
  return fetch(`${easel.url}/v1/images/generations`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', ...headers },
    body: JSON.stringify(REQUEST),
    signal,
  });
}

const sentBefore = (count: number) => ({ 'x-stainless-retry-count': String(count) });

async function startHeld(env: Readonly<Record<string, string>> = {}) {
  const easel = await startEasel({ skipMs: 0, env: { OPENAI_WAIT_SECONDS: '10', ...env } });
  const gate = easel.upstream.gate();
  easel.upstream.always(picture({ beforeHeaders: gate }));
  return { easel, gate, [Symbol.asyncDispose]: () => easel[Symbol.asyncDispose]() };
}

async function newest(easel: Easel) {
  const { items } = await easel.services.images.list({ limit: 1 }, ANONYMOUS);
  return items[0];
}

/** Lets the wait of every call end that waits now. */
async function endWaits(easel: Easel, waiting = 1): Promise<void> {
  await until(() => easel.clock.sleepers >= waiting);
  easel.clock.advance(10_000);
}

describe('a call that is not finished in time', () => {
  test('is sent away for a moment at first, for longer then, and gets its picture when it comes back', async () => {
    await using scene = await startHeld();
    const { easel, gate } = scene;
    const mediaIds: (string | null)[] = [];
    for (const [count, pauseMs] of [
      [0, '500'],
      [1, '5000'],
      [2, '5000'],
    ] as const) {
      const call = generate(easel, sentBefore(count));
      await easel.upstream.received(1);
      await endWaits(easel);
      const { status, headers } = await call;
      expect(status).toBe(503);
      expect(headers.get('x-should-retry')).toBe('true');
      expect(headers.get('retry-after-ms')).toBe(pauseMs);
      expect(headers.get('retry-after')).toBe(String(Math.ceil(Number(pauseMs) / 1000)));
      mediaIds.push(headers.get('x-easel-media-id'));
    }
    const last = generate(easel, sentBefore(3));
    await until(() => easel.clock.sleepers > 0);
    gate.open();
    const { status, headers } = await last;
    mediaIds.push(headers.get('x-easel-media-id'));
    expect(status).toBe(200);
    expect(new Set(mediaIds).size).toBe(1);
    expect(easel.upstream.calls).toHaveLength(1);
  });

  test('finds a picture that was finished meanwhile, whole each time, and takes no token of the rate limit', async () => {
    await using scene = await startHeld({ RATE_LIMIT_PER_MINUTE: '1' });
    const { easel, gate } = scene;
    const first = generate(easel, sentBefore(0));
    await easel.upstream.received(1);
    await endWaits(easel);
    expect((await first).status).toBe(503);
    gate.open();
    await until(async () => (await newest(easel))?.status === 'succeeded');
    const answers = [];
    for (const count of [1, 2]) answers.push(await (await generate(easel, sentBefore(count))).text());
    expect(answers[0]).toContain('"b64_json"');
    expect(answers[1]).toBe(answers[0]);
    expect((await generate(easel, sentBefore(0))).status).toBe(429);
    expect(easel.upstream.calls).toHaveLength(1);
  });

  test('joins by its Idempotency-Key alone', async () => {
    await using scene = await startHeld();
    const { easel, gate } = scene;
    const key = { 'idempotency-key': 'article-42' };
    const first = generate(easel, key);
    await easel.upstream.received(1);
    await endWaits(easel);
    expect((await first).headers.get('x-should-retry')).toBe('true');
    gate.open();
    expect((await generate(easel, key)).status).toBe(200);
    expect(easel.upstream.calls).toHaveLength(1);
  });

  test('that does not say that it comes back is not sent away as one to retry', async () => {
    await using scene = await startHeld({ GENERATION_TIMEOUT_SECONDS: '20' });
    const { easel, gate } = scene;
    const call = generate(easel);
    await easel.upstream.received(1);
    await until(() => easel.clock.sleepers > 0);
    easel.clock.advance(20_000);
    const response = await call;
    expect(response.status).toBe(422);
    expect(response.headers.get('x-should-retry')).toBe('false');
    gate.open();
    const mediaId = response.headers.get('x-easel-media-id') ?? '';
    await eventually(async () => expect((await easel.record(mediaId)).status).toBe('succeeded'));
  });
});

describe('a client that leaves', () => {
  test('cancels its picture where it asked for that', async () => {
    await using scene = await startHeld();
    const { easel } = scene;
    const client = new AbortController();
    const call = generate(easel, { 'x-easel-cancel-on-close': 'true' }, client.signal).catch(() => null);
    await easel.upstream.received(1);
    client.abort();
    await call;
    await easel.upstream.abandoned(1);
    await until(async () => (await newest(easel))?.status === 'cancelled');
  });

  test('cancels nothing by default', async () => {
    await using scene = await startHeld();
    const { easel, gate } = scene;
    const client = new AbortController();
    const call = generate(easel, {}, client.signal).catch(() => null);
    await easel.upstream.received(1);
    client.abort();
    await call;
    gate.open();
    await until(async () => (await newest(easel))?.status === 'succeeded');
  });

  test('cancels nothing that another client waits for, nor when it was answered', async () => {
    await using scene = await startHeld();
    const { easel, gate } = scene;
    const key = { 'idempotency-key': 'article-42', 'x-easel-cancel-on-close': 'true' };
    const client = new AbortController();
    const leaves = generate(easel, key, client.signal).catch(() => null);
    await easel.upstream.received(1);
    const stays = generate(easel, key);
    await until(() => easel.clock.sleepers >= 2);
    client.abort();
    await leaves;
    gate.open();
    expect((await stays).status).toBe(200);
    expect((await generate(easel, key)).status).toBe(200);
    expect(easel.upstream.calls).toHaveLength(1);
  });
});

describe('what a call says of itself', () => {
  const form = (boundary: string, length?: string) => ({
    ...sentBefore(0),
    'content-type': `multipart/form-data; boundary=${boundary}`,
    ...(length !== undefined && { 'content-length': length }),
  });

  test.each([
    ['nothing', {}, false],
    ['a retry count', sentBefore(0), true],
    ['a key', { 'idempotency-key': 'a' }, true],
    ['a retry count that is no number', { 'x-stainless-retry-count': 'one' }, false],
    ['a form that fits in memory', form('----formdata-undici-1', '100'), true],
    ['a form that the SDK streams', form('openai-abc', '100'), false],
    ['the same in quotes', form('"openai-abc"', '100'), false],
    ['a form of unknown length', form('a'), false],
  ])('%s', (_name, headers, expected) => {
    expect(isRecognisable(headers)).toBe(expected);
  });

  test('only a key or a count above 0 may be a call sent again', () => {
    expect([{}, sentBefore(0), sentBefore(1), { 'idempotency-key': 'a' }].map(mayComeAgain)).toEqual([
      false,
      false,
      true,
      true,
    ]);
  });
});

describe('a stop of the service', () => {
  test('asks calls that come back to do so, and leaves the pictures of others to their tasks', async () => {
    await using scene = await startHeld();
    const { easel, gate } = scene;
    const calls = [generate(easel, sentBefore(0)), generate(easel)];
    await easel.upstream.received(2);
    await until(() => easel.clock.sleepers >= 2);
    const stopped = easel.services.stop({ graceMs: 100_000, finishMs: 100_000, endAnswers: async () => {} });
    const answers = await Promise.all(calls);
    expect(answers.map(({ status }) => status)).toEqual([503, 422]);
    expect(answers.map(({ headers }) => headers.get('x-should-retry'))).toEqual(['true', 'false']);
    gate.open();
    await stopped;
  });
});
