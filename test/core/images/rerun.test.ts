import { pino } from 'pino';
import { describe, expect, test } from 'vitest';
import { TRAINED_ALGORITHMIC_MEDIA } from '../../../src/core/domain/digital-source.ts';
import { ImageError } from '../../../src/core/domain/errors.ts';
import type { Image } from '../../../src/core/domain/image.ts';
import type { SpendingGuard } from '../../../src/core/domain/money.ts';
import type { Admission } from '../../../src/core/images/admission.ts';
import { createJoinOrRerun, createRerun, createRetry } from '../../../src/core/images/rerun.ts';
import { CATALOG } from '../../../src/core/models/catalog.ts';
import { estimateCost } from '../../../src/core/money/pricing.ts';
import type { Provider } from '../../../src/core/ports/provider.ts';
import { createUpstreams } from '../../../src/core/upstream/upstreams.ts';
import { exampleImage } from '../../support/app/fake-images.ts';
import { createManualClock } from '../../support/test-clock.ts';
import { originalOf } from '../domain/life-cycle/example-changes.ts';

const { request } = exampleImage();
const failed = exampleImage({
  mediaId: 'x',
  status: 'failed',
  attempts: [],
  master: null,
  renditions: [],
  error: { code: 'provider_failed', detail: 'no' },
});
const withOriginal: Image = { ...failed, original: originalOf('a') };
const ANYONE = { name: 'anonymous', seesAll: false, admin: false };

const PROVIDER: Provider = {
  name: 'openai',
  digitalSourceType: TRAINED_ALGORITHMIC_MEDIA,
  supportsSize: true,
  controlSequences: [],
  model: (id) => CATALOG.get(id) ?? null,
  generate: () => Promise.reject(new Error('is not called')),
  download: () => Promise.reject(new Error('is not called')),
};

/** Use cases over one image that is stored as `current`, whatever it was when it was read. */
function scene(current: Image | null, { providers = [PROVIDER], capacity = async () => {} } = {}) {
  const clock = createManualClock();
  const guard: SpendingGuard = {
    day: '2026-11-23',
    limitsOf: () => ({ service: null, owner: null }),
    check: () => undefined,
  };
  const seen = { queued: [] as string[], published: [] as (Image | null)[], guards: [] as unknown[] };
  const admission: Admission = {
    queueLimit: 7,
    ensureCapacity: capacity,
    spendingGuard: () => guard,
    queueFullError: () => new ImageError('queue_full', 'full'),
  };
  const rerun = createRerun({
    records: {
      async requeue(_mediaId, _limit, change, given) {
        seen.guards.push(given);
        return current && (change(current) ?? current);
      },
    },
    queue: { enqueue: async (mediaId) => void seen.queued.push(mediaId) },
    events: { publish: (_mediaId, image) => void seen.published.push(image) },
    upstreams: createUpstreams(
      providers.map((provider) => ({ provider, limits: { concurrency: null, perMinute: null } })),
      clock,
      pino({ level: 'silent' }),
    ),
    admission,
    costs: { estimate: async (call) => estimateCost(call) },
    retentionByLabel: new Map([['blog', 60_000]]),
    clock,
    tracer: { traceparent: () => '00-again' },
    log: pino({ level: 'silent' }),
  });
  const joinOrRerun = createJoinOrRerun(rerun);
  const inputs = { request, store: async () => {} };
  return {
    seen,
    guard,
    clock,
    send: (found: Image) => joinOrRerun({ by: 'mediaId', image: found }, { create: { mediaId: 'x' }, inputs }, ANYONE),
    retry: createRetry(rerun),
  };
}

describe('a request for an image that failed', () => {
  test('starts a run, whose retention counts from now, within the budget', async () => {
    const { send, seen, guard, clock } = scene(failed);
    const { image, started } = await send(failed);
    expect(started).toBe(true);
    expect(image).toMatchObject({ status: 'queued', run: 2, traceparent: '00-again', allowanceFrom: 1 });
    const now = clock.now();
    expect(image.requestedAt).toBe(new Date(now).toISOString());
    expect(image.expiresAt).toBe(new Date(now + 60_000).toISOString());
    expect(image.estimate.usd).toBeGreaterThan(0);
    expect(seen).toEqual({ queued: ['x'], published: [image], guards: [guard] });
  });

  test('keeps what was changed since it was read, with the expiry of that', async () => {
    const changed = { ...request, labels: ['new'], ttlSeconds: 30 };
    const { send, clock } = scene({ ...failed, request: changed });
    const { image } = await send(failed);
    expect(image.request).toEqual(changed);
    expect(image.expiresAt).toBe(new Date(clock.now() + 30_000).toISOString());
  });

  test.each<[string, Image]>([
    ['runs again', { ...failed, status: 'generating', run: 2 }],
    ['has failed again', { ...failed, run: 2 }],
    ['has its picture', { ...failed, status: 'succeeded', run: 2 }],
  ])('joins where the image %s by now, and starts nothing', async (_, current) => {
    const { send, seen } = scene(current);
    expect(await send(failed)).toEqual({ image: current, started: false, replayed: false });
    expect([seen.queued, seen.published]).toEqual([[], []]);
  });

  test.each<[string, Image | null]>([
    ['is gone', null],
    ['was made again, and has failed anew', { ...failed, createdAt: '2026-11-24T00:00:00.000Z' }],
    ["is another key's by now", { ...failed, owner: 'shop' }],
  ])('is a 404 that starts nothing where the image that was read %s', async (_, current) => {
    for (const act of ['send', 'retry'] as const) {
      const { seen, ...acts } = scene(current);
      await expect(acts[act](failed)).rejects.toMatchObject({ code: 'not_found' });
      expect([seen.queued, seen.published]).toEqual([[], []]);
    }
  });

  test('finishes a sound original without provider, room for a call or budget', async () => {
    const capacity = () => Promise.reject(new Error('is not asked'));
    for (const act of ['send', 'retry'] as const) {
      const { seen, ...acts } = scene(withOriginal, { providers: [], capacity });
      const { image, started } = await acts[act](withOriginal);
      expect([started, image.status, image.estimate]).toEqual([true, 'queued', { usd: 0, basis: 'none' }]);
      expect([image.model, image.prompt, image.original]).toEqual([failed.model, failed.prompt, withOriginal.original]);
      expect(seen.guards).toEqual([undefined]);
    }
  });
});

describe('a retry', () => {
  test('starts a run with an allowance of its own', async () => {
    const { retry, seen } = scene(failed);
    expect(await retry(failed)).toMatchObject({ started: true, image: { run: 2, allowanceFrom: 2 } });
    expect(seen.queued).toEqual(['x']);
  });

  test.each<[string, Image, RegExp]>([
    ['runs again', { ...failed, status: 'queued', run: 2 }, /^x is at work \(queued\); .*nothing was called$/],
    ['has failed again', { ...failed, run: 2 }, /^x was just run again, and failed; .*nothing was called$/],
    ['has its picture', { ...failed, status: 'succeeded', run: 2 }, /^x has its picture; .*nothing was called$/],
  ])('is refused where the image %s by now', async (_, current, detail) => {
    const { retry, seen } = scene(current);
    const error = { code: 'not_retryable', mediaId: 'x', message: expect.stringMatching(detail) };
    await expect(retry(failed)).rejects.toMatchObject(error);
    expect(seen.queued).toEqual([]);
  });

  test('is refused under overload before anything is written, but not before it is known to be one', async () => {
    const { retry, seen } = scene(failed);
    await expect(retry(failed, { overloaded: true })).rejects.toMatchObject({ code: 'queue_full' });
    await expect(retry(exampleImage(), { overloaded: true })).rejects.toMatchObject({ code: 'not_retryable' });
    expect(seen.guards).toEqual([]);
  });

  test('is refused by what refuses a new request', async () => {
    const full = scene(failed, { capacity: () => Promise.reject(new ImageError('storage_full', 'no room')) });
    await expect(full.retry(failed)).rejects.toMatchObject({ code: 'storage_full' });
    const stopping = scene(failed, { capacity: () => Promise.reject(new ImageError('shutting_down', 'stop')) });
    await expect(stopping.retry(failed)).rejects.toMatchObject({ code: 'shutting_down' });
    expect([...full.seen.guards, ...stopping.seen.guards]).toEqual([]);
  });
});
