import { rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import type { Image } from '../../src/core/domain/image.ts';
import { type Easel, startEasel } from '../support/app/easel.ts';
import { openRecords } from '../support/app/records.ts';
import { startReceiver, TEST_SECRET } from '../support/network/webhook-receiver.ts';
import { type Behaviour, brokenAnswer, hang, openAiError, picture } from '../support/openai/answers.ts';
import { startOpenAiServer } from '../support/openai/server.ts';
import { temporaryFolder } from '../support/temporary-folder.ts';
import { bearer, TEST_KEYS } from '../support/test-keys.ts';

const X = { mediaId: 'x', prompt: 'a lighthouse' };
const ASYNC = { prefer: 'respond-async' };
const ONE_TRY = { RETRY_MAX_ATTEMPTS: '1' };
/** May have been billed. */
const unreadable = () => brokenAnswer('empty data');
const REPLAYED = /nothing was called now: POST \/images\/x\/retry runs it again, although that may cost again$/;

const callsOf = (easel: Easel) => easel.upstream.calls.length;

/** Makes the picture of `X` in a new folder, and leaves the record as `change` of it, as if a service had ended there. */
async function leftAs(folder: string, request: object, change: Partial<Image>): Promise<void> {
  {
    await using easel = await startEasel({ folder });
    expect((await easel.post(request)).status).toBe(201);
  }
  const records = openRecords(folder);
  await records.update('x', (image) => ({ ...image, master: null, renditions: [], thumbhash: null, ...change }));
  await records.close();
}

const LOST_DISK = {
  status: 'failed',
  error: { code: 'storage_unavailable', detail: 'the disk was away' },
} as const satisfies Partial<Image>;

describe('a request that is sent again after a failure', () => {
  it('causes no further call, however often it is sent, where the calls may have been billed', async () => {
    await using easel = await startEasel({ env: { GENERATION_TIMEOUT_SECONDS: '3', AMBIGUOUS_RETRIES: '1' } });
    easel.upstream.always(hang());
    const first = await easel.post(X);
    expect([first.status, first.body.code, callsOf(easel)]).toEqual([504, 'provider_timeout', 2]);
    expect(first.body.detail).not.toMatch(REPLAYED);
    const record = await easel.record('x');
    for (let again = 2; again <= 5; again++) {
      const { status, body } = await easel.post(X);
      expect([status, body.code, body.mediaId]).toEqual([504, 'provider_timeout', 'x']);
      expect(body.detail.startsWith(first.body.detail)).toBe(true);
      expect(body.detail).toMatch(REPLAYED);
    }
    expect(callsOf(easel)).toBe(2);
    expect(await easel.record('x')).toEqual(record);
    expect(record.error?.detail).toBe(first.body.detail);

    const retried = await easel.retry('x');
    expect([retried.status, retried.body.detail]).toEqual([504, first.body.detail]);
    expect(callsOf(easel)).toBe(4);
    expect((await easel.post(X)).body.detail).toMatch(REPLAYED);
    expect(callsOf(easel)).toBe(4);
    expect((await easel.record('x')).attempts.map(({ outcome }) => outcome)).toEqual(Array(4).fill('unknown'));
  });

  it('counts calls of unknown outcome over runs that were cancelled in between', async () => {
    await using easel = await startEasel({ env: { AMBIGUOUS_RETRIES: '1' }, skipMs: 4_000 });
    easel.upstream.script(unreadable(), hang(), unreadable());
    await easel.post(X, ASYNC);
    await easel.upstream.received(2);
    expect((await easel.cancel('x')).body.attempts.map(({ outcome }) => outcome)).toEqual(['unknown', 'cancelled']);
    const { status, body } = await easel.post(X);
    expect([status, body.code]).toEqual([502, 'provider_failed']);
    expect(callsOf(easel)).toBe(3);
  });

  const FAILURES: readonly [string, Behaviour, number, string][] = [
    ['a refused prompt', openAiError('moderation_blocked'), 422, 'prompt_rejected'],
    ['a picture that was no good', picture({ content: 'blank' }), 502, 'invalid_image'],
    ['half a picture', picture({ content: 'truncated' }), 502, 'invalid_image'],
    ['an answer that may be billed', unreadable(), 502, 'provider_failed'],
  ];
  it.each(FAILURES)(
    'gets that of %s again, by mediaId and by key, without a webhook',
    async (_, behaviour, status, code) => {
      await using receiver = await startReceiver();
      let overloaded = false;
      const env = { AMBIGUOUS_RETRIES: '0', WEBHOOK_SECRET: TEST_SECRET, WEBHOOK_ALLOW_HOSTS: '127.0.0.1' };
      await using easel = await startEasel({ env, isOverloaded: () => overloaded });
      easel.upstream.script(behaviour);
      const key = { 'idempotency-key': 'k' };
      const request = { ...X, webhookUrl: receiver.url };
      const first = await easel.post(request, key);
      expect([first.status, first.body.code]).toEqual([status, code]);
      await receiver.came(1);
      const record = await easel.record('x');

      for (const busy of [false, true]) {
        overloaded = busy;
        for (const prefer of ['wait=30', 'respond-async', 'wait=0']) {
          for (const again of [request, { prompt: X.prompt, webhookUrl: receiver.url }]) {
            const { status, body } = await easel.post(again, { ...key, prefer });
            expect([status, body.code, body.mediaId]).toEqual([first.status, code, 'x']);
            expect(body.detail).toMatch(REPLAYED);
          }
        }
      }
      expect(callsOf(easel)).toBe(1);
      expect(await easel.record('x')).toEqual(record);
      const { items } = (await (await easel.get('/images/x/deliveries')).json()) as { items: unknown[] };
      expect([items.length, receiver.received.length]).toEqual([1, 1]);
    },
  );

  it('runs again where nothing was billed, with a webhook of its own', async () => {
    await using receiver = await startReceiver();
    const env = { ...ONE_TRY, WEBHOOK_SECRET: TEST_SECRET, WEBHOOK_ALLOW_HOSTS: '127.0.0.1' };
    await using easel = await startEasel({ env });
    const request = { ...X, webhookUrl: receiver.url };
    easel.upstream.script(openAiError('server_error'), openAiError('server_error'));
    for (let sent = 1; sent <= 2; sent++) {
      const { status, body } = await easel.post(request);
      expect([status, body.code]).toEqual([502, 'provider_failed']);
      expect(body.detail).not.toMatch(REPLAYED);
      expect((await easel.record('x')).cost).toEqual({ usd: 0, basis: 'none' });
    }
    expect((await easel.post(request, ASYNC)).status).toBe(202);
    expect((await easel.post(request)).body).toMatchObject({ status: 'succeeded', cost: { basis: 'usage' } });
    expect(callsOf(easel)).toBe(3);
    await receiver.came(3);
    expect(receiver.received.map(({ message }) => message.type).sort()).toEqual([
      'image.failed',
      'image.failed',
      'image.succeeded',
    ]);
  });
});

describe('a picture of an earlier run that does not pass its checks', () => {
  it('is not paid for again by the same request, only by a retry', async () => {
    await using easel = await startEasel();
    const gate = easel.upstream.gate();
    easel.upstream.script(picture({ content: 'truncated', drip: { bytes: 1000, pause: gate } }));
    await easel.post(X, ASYNC);
    await gate.reached();
    await easel.cancel('x');
    gate.open();
    await expect.poll(async () => (await easel.record('x')).warnings).toMatchObject([{ code: 'picture_kept' }]);
    expect(await easel.retry('x')).toMatchObject({ status: 502, body: { code: 'invalid_image' } });
    const { status, headers, body } = await easel.post(X);
    expect([status, body.code, headers.get('retry-after')]).toEqual([502, 'invalid_image', null]);
    expect(body.detail).toMatch(REPLAYED);
    expect(callsOf(easel)).toBe(1);
    expect((await easel.retry('x')).status).toBe(201);
    expect(callsOf(easel)).toBe(2);
  });
});

describe('POST /images/:mediaId/retry', () => {
  it.each([
    ['a refused prompt', openAiError('moderation_blocked')],
    ['a picture that was no good', picture({ content: 'blank' })],
    ['an answer that may be billed', unreadable()],
    ['a call that was not billed', openAiError('server_error')],
  ])('runs again after %s, and answers 201', async (_, behaviour) => {
    await using easel = await startEasel({ env: { ...ONE_TRY, AMBIGUOUS_RETRIES: '0' } });
    easel.upstream.script(behaviour);
    await easel.post(X);
    const { status, headers, body } = await easel.retry('x');
    expect([status, headers.get('location'), body.status]).toEqual([201, '/images/x', 'succeeded']);
    expect(body.error).toBeNull();
    expect(callsOf(easel)).toBe(2);
    expect((await easel.post(X)).body).toEqual(body);
  });

  it('answers as `Prefer` says', async () => {
    await using easel = await startEasel();
    const gate = easel.upstream.gate();
    easel.upstream.script(openAiError('moderation_blocked'), picture({ beforeHeaders: gate }));
    await easel.post(X);
    const { status, headers, body } = await easel.retry('x', ASYNC);
    expect([status, headers.get('preference-applied'), headers.get('retry-after')]).toEqual([
      202,
      'respond-async',
      '5',
    ]);
    expect(body).toMatchObject({ mediaId: 'x', completedAt: null, error: null });
    gate.open();
    expect((await easel.post(X)).body.status).toBe('succeeded');
  });

  it('runs a cancelled image again', async () => {
    await using easel = await startEasel({ skipMs: 0 });
    easel.upstream.script(hang());
    const waiting = easel.post(X);
    await easel.upstream.received(1);
    await easel.cancel('x');
    await waiting;
    expect(await easel.retry('x')).toMatchObject({ status: 201, body: { status: 'succeeded' } });
    expect(callsOf(easel)).toBe(2);
  });

  it('is refused while the image runs, and once it has succeeded', async () => {
    await using easel = await startEasel();
    const gate = easel.upstream.gate();
    easel.upstream.script(picture({ beforeHeaders: gate }));
    await easel.post(X, ASYNC);
    await gate.reached();
    const running = await easel.retry('x');
    expect(running).toMatchObject({ status: 409, body: { code: 'not_retryable', mediaId: 'x' } });
    expect(running.body.detail).toMatch(/at work \(generating\); wait .* or cancel/);
    gate.open();
    const { body: record } = await easel.post(X);
    const succeeded = await easel.retry('x');
    expect(succeeded).toMatchObject({ status: 409, body: { code: 'not_retryable', mediaId: 'x' } });
    expect(succeeded.body.detail).toMatch(/has its picture; .* DELETE/);
    expect(await easel.record('x')).toEqual(record);
    expect(callsOf(easel)).toBe(1);
  });

  it('starts one run, however many ask for it at once, and equal requests join that', async () => {
    await using easel = await startEasel();
    const gate = easel.upstream.gate();
    easel.upstream.script(openAiError('moderation_blocked'), picture({ beforeHeaders: gate }));
    await easel.post(X);
    const retries = Array.from({ length: 20 }, () => easel.retry('x'));
    await gate.reached();
    const joined = Array.from({ length: 5 }, () => easel.post(X));
    await expect.poll(async () => (await Promise.all(retries.slice(0, 0))).length).toBe(0);
    gate.open();
    const statuses = (await Promise.all(retries)).map(({ status }) => status);
    expect(statuses.sort()).toEqual([201, ...Array(19).fill(409)]);
    expect((await Promise.all(joined)).map(({ status }) => status)).toEqual(Array(5).fill(200));
    expect(callsOf(easel)).toBe(2);
  });

  it('and equal requests at once start one run', async () => {
    await using easel = await startEasel({ env: ONE_TRY });
    easel.upstream.script(openAiError('server_error'), openAiError('server_error'));
    await easel.post(X);
    const { images } = easel.services;
    const caller = { name: 'anonymous', seesAll: true, admin: true };
    const outcomes = await Promise.allSettled([
      images.retry('x', caller),
      images.submit(X, caller, null),
      images.retry('x', caller),
      images.submit(X, caller, null),
    ]);
    const started = outcomes.filter((outcome) => outcome.status === 'fulfilled' && outcome.value.started);
    expect(started).toHaveLength(1);
    await images.waitUntilFinished('x', 120_000, new AbortController().signal);
    expect(callsOf(easel)).toBe(2);
  });

  it('is a 404 for an image that does not exist or is of another key, and needs the scope generate', async () => {
    await using easel = await startEasel({ env: { API_KEYS: TEST_KEYS } });
    easel.upstream.script(openAiError('moderation_blocked'));
    await easel.post(X, bearer('blog'));
    expect(await easel.retry('y', bearer('blog'))).toMatchObject({ status: 404, body: { code: 'not_found' } });
    expect(await easel.retry('x', bearer('shop'))).toMatchObject({ status: 404, body: { code: 'not_found' } });
    expect(await easel.retry('x', bearer('viewer'))).toMatchObject({ status: 403, body: { code: 'forbidden' } });
    expect(callsOf(easel)).toBe(1);
    expect((await easel.retry('x', bearer('blog'))).status).toBe(201);
  });

  it('is refused under overload, unless there is nothing to run again', async () => {
    let overloaded = false;
    await using easel = await startEasel({ isOverloaded: () => overloaded });
    easel.upstream.script(openAiError('moderation_blocked'));
    await easel.post(X);
    await easel.post({ ...X, mediaId: 'made' });
    overloaded = true;
    expect(await easel.retry('x')).toMatchObject({ status: 429, body: { code: 'queue_full' } });
    expect(await easel.retry('made')).toMatchObject({ status: 409, body: { code: 'not_retryable' } });
    expect((await easel.record('x')).status).toBe('failed');
  });

  it('is refused while the queue is full, the budget is spent or no picture can be stored', async () => {
    const env = { CONCURRENCY: '1', QUEUE_LIMIT: '1', BUDGET_USD_PER_DAY: '1' };
    await using easel = await startEasel({ env });
    const gate = easel.upstream.gate();
    easel.upstream.script(openAiError('moderation_blocked'), picture({ beforeHeaders: gate }));
    await easel.post(X);
    const before = await easel.record('x');
    await easel.post({ mediaId: 'running', prompt: 'a tower' }, ASYNC);
    await gate.reached();
    await easel.post({ mediaId: 'waiting', prompt: 'a tower' }, ASYNC);
    expect(await easel.retry('x')).toMatchObject({ status: 429, body: { code: 'queue_full' } });
    gate.open();
    await easel.post({ mediaId: 'waiting', prompt: 'a tower' });

    const media = join(easel.folder, 'media');
    await rename(media, `${media}.away`);
    await writeFile(media, '');
    expect(await easel.retry('x')).toMatchObject({ status: 503, body: { code: 'storage_unavailable' } });
    await rm(media);
    await rename(`${media}.away`, media);

    easel.upstream.always(picture({ usage: { input_tokens: 0, output_tokens: 40_000, total_tokens: 40_000 } }));
    await easel.post({ mediaId: 'dear', prompt: 'a tower' });
    expect(await easel.retry('x')).toMatchObject({ status: 429, body: { code: 'budget_exhausted' } });
    expect(await easel.record('x')).toEqual(before);
  });

  it('is refused while every provider is down, except for a picture that is here', async () => {
    await using temporary = await temporaryFolder();
    const folder = temporary.path;
    await leftAs(folder, X, LOST_DISK);
    await using easel = await startEasel({ folder });
    easel.upstream.always(openAiError('invalid_api_key'));
    await easel.post({ ...X, mediaId: 'down' });
    expect(await easel.retry('down')).toMatchObject({ status: 503, body: { code: 'provider_unavailable' } });
    const calls = callsOf(easel);
    expect(await easel.retry('x')).toMatchObject({ status: 201, body: { status: 'succeeded' } });
    expect(callsOf(easel)).toBe(calls);
  });
});

describe('a sound original', () => {
  it.each([
    ['the same request', (easel: Easel) => easel.post({ ...X, provider: 'openai' })],
    ['a retry', (easel: Easel) => easel.retry('x')],
  ])('is finished by %s without a call, though its provider is no longer there', async (_, send) => {
    await using temporary = await temporaryFolder();
    const folder = temporary.path;
    await leftAs(folder, { ...X, provider: 'openai' }, LOST_DISK);
    await using upstream = await startOpenAiServer();
    await using easel = await startEasel({ folder, upstream, env: { PROVIDERS: 'placeholder' } });
    const failed = await easel.record('x');
    const { status, body } = await send(easel);
    expect([status, body.status, body.provider, body.cost]).toEqual([201, 'succeeded', 'openai', failed.cost]);
    expect(body.attempts).toEqual(failed.attempts);
    expect(upstream.calls).toEqual([]);
  });
});

describe('a new run', () => {
  it('begins the retention anew', async () => {
    await using easel = await startEasel({ env: ONE_TRY });
    easel.upstream.script(openAiError('server_error'));
    const request = { ...X, ttlSeconds: 4 };
    await easel.post(request);
    const failed = await easel.record('x');
    easel.clock.advance(4_500);
    const asked = easel.clock.now();
    const { body } = await easel.post(request);
    expect(body.status).toBe('succeeded');
    expect(body.createdAt).toBe(failed.createdAt);
    const expires = Date.parse(body.expiresAt ?? '');
    expect(expires).toBeGreaterThanOrEqual(asked + 4_000);
    expect(expires).toBeLessThanOrEqual(easel.clock.now() + 4_000);

    const { images } = easel.services;
    expect(await images.cleanup({})).toMatchObject({ deleted: 0 });
    expect((await easel.record('x')).status).toBe('succeeded');
    easel.clock.advance(4_500);
    expect(await images.cleanup({})).toMatchObject({ deleted: 1 });
  });

  it('also by a retry, and by the retention of its labels', async () => {
    await using easel = await startEasel({ env: { RETENTION_BY_LABEL: 'draft:1h' } });
    easel.upstream.script(openAiError('moderation_blocked'));
    const begun = easel.clock.now();
    await easel.post({ ...X, labels: ['draft'] });
    easel.clock.advance(3_500_000);
    const { body } = await easel.retry('x');
    expect(Date.parse(body.expiresAt ?? '')).toBeGreaterThanOrEqual(begun + 7_100_000);
  });
});

describe('a call', () => {
  it('is running while it runs in this process, and unknown where an earlier one had begun it', async () => {
    await using upstream = await startOpenAiServer();
    const [first, second] = [upstream.gate(), upstream.gate()];
    upstream.script(picture({ beforeHeaders: first }), picture({ beforeHeaders: second }));
    await using before = await startEasel({ upstream });
    await before.post(X, ASYNC);
    await first.reached();
    await using events = await before.listen('x');
    expect(await events.next()).toMatchObject({ event: 'status', data: { attempts: [{ outcome: 'running' }] } });
    const { items } = (await (await before.get('/images')).json()) as { items: unknown[] };
    for (const record of [await before.record('x'), items[0], (await before.post(X, ASYNC)).body]) {
      expect(record).toMatchObject({
        attempts: [{ outcome: 'running', durationMs: null }],
        cost: { basis: 'estimate' },
      });
    }
    await using left = await before.leftByCrash();

    await using easel = await startEasel({ upstream, folder: left.path });
    await second.reached();
    const attempts = [
      { outcome: 'unknown', durationMs: null },
      { outcome: 'running', durationMs: null },
    ];
    expect(await easel.record('x')).toMatchObject({ attempts });
    second.open();
    const { body } = await easel.post(X);
    expect(body.attempts.map(({ outcome }) => outcome)).toEqual(['unknown', 'ok']);
    first.open();
  });

  it('is running in the very event that tells of it', async () => {
    await using easel = await startEasel({ env: { CONCURRENCY: '1' } });
    const [busy, gate] = [easel.upstream.gate(), easel.upstream.gate()];
    easel.upstream.script(picture({ beforeHeaders: busy }), picture({ beforeHeaders: gate }));
    await easel.post({ ...X, mediaId: 'busy' }, ASYNC);
    await busy.reached();
    await easel.post(X, ASYNC);
    await using events = await easel.listen('x');
    expect(await events.next()).toMatchObject({ data: { status: 'queued', attempts: [] } });
    busy.open();
    expect(await events.next()).toMatchObject({ data: { status: 'generating', attempts: [{ outcome: 'running' }] } });
    gate.open();
    expect((await events.rest()).at(-1)).toMatchObject({ event: 'done', data: { attempts: [{ outcome: 'ok' }] } });
  });
});
