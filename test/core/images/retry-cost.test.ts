import { pino } from 'pino';
import { expect, test } from 'vitest';
import { TRAINED_ALGORITHMIC_MEDIA } from '../../../src/core/domain/digital-source.ts';
import { ImageError } from '../../../src/core/domain/errors.ts';
import { sha256 } from '../../../src/core/domain/file-names.ts';
import type { Attempt, Image } from '../../../src/core/domain/image.ts';
import { createEstimateRetry } from '../../../src/core/images/retry-cost.ts';
import { CATALOG, unlistedModel } from '../../../src/core/models/catalog.ts';
import { estimateCost } from '../../../src/core/money/pricing.ts';
import type { Provider } from '../../../src/core/ports/provider.ts';
import { createUpstreams } from '../../../src/core/upstream/upstreams.ts';
import { exampleImage } from '../../support/app/fake-images.ts';
import { createManualClock } from '../../support/test-clock.ts';
import { originalOf } from '../domain/life-cycle/example-changes.ts';

const BYTES = new TextEncoder().encode('a picture');
const failed = exampleImage({
  mediaId: 'x',
  status: 'failed',
  attempts: [],
  master: null,
  cost: { usd: 0, basis: 'none' },
});
const original = { ...originalOf('a'), sha256: sha256(BYTES) };
const [attempt] = exampleImage().attempts as [Attempt];
const open: Attempt = { ...attempt, outcome: 'unknown', durationMs: null };

const provider = (name: string, model: Provider['model']): Provider => ({
  name,
  digitalSourceType: TRAINED_ALGORITHMIC_MEDIA,
  supportsSize: true,
  controlSequences: [],
  model,
  generate: () => Promise.reject(new Error('is not called')),
  download: () => Promise.reject(new Error('is not called')),
});
const PAID = provider('paid', (id) => CATALOG.get(id) ?? null);
const FREE = provider('free', (id) => ({
  ...unlistedModel(id),
  pricing: { kind: 'picture', usd: 0, date: '2026-11-22', source: 'free' },
}));
const UNPRICED = provider('unpriced', (id) => unlistedModel(id));
const RETIRED = provider('retired', () => null);

function scene({ providers = [PAID], stored = null as Uint8Array | null, budget = null as number | null } = {}) {
  const upstreams = createUpstreams(
    providers.map((one) => ({ provider: one, limits: { concurrency: null, perMinute: null } })),
    createManualClock(),
    pino({ level: 'silent' }),
  );
  const seen: string[] = [];
  const estimate = createEstimateRetry({
    upstreams,
    store: { read: async () => stored },
    costs: {
      async estimate(call) {
        seen.push(call.model.id);
        return estimateCost(call);
      },
    },
    budget: { usdPerDay: budget, usdPerDayOfKey: new Map() },
  });
  return { estimate, upstreams, seen };
}

const CALL = { cost: { usd: expect.any(Number), basis: 'estimate' }, call: true };
const NO_CALL = { cost: { usd: 0, basis: 'none' }, call: false };

test.each<[string, Partial<Image>, Parameters<typeof scene>[0], object]>([
  ['a kept original', { original }, { stored: BYTES }, NO_CALL],
  ['a kept original without a model', { original }, { stored: BYTES, providers: [RETIRED] }, NO_CALL],
  ['a lost original', { original }, {}, CALL],
  ['a damaged original', { original }, { stored: BYTES.slice(1) }, CALL],
  ['a lost original without a model', { original }, { providers: [RETIRED] }, NO_CALL],
  ['an original that was no good', { original: { ...original, sound: false } }, { stored: BYTES }, CALL],
  ['a picture that may still come', { attempts: [open] }, {}, { ...CALL, mayBePaidAlready: true }],
  ['one without a model', { attempts: [open] }, { providers: [RETIRED] }, { ...NO_CALL, mayBePaidAlready: true }],
  ['a call that was paid for', { cost: { usd: 0.1, basis: 'usage' } }, {}, { mayBePaidAlready: true }],
  ['calls of unknown price', { cost: { usd: null, basis: 'unknown' } }, {}, { mayBePaidAlready: true }],
  ['calls that were not billed', { attempts: [{ ...attempt, outcome: 'failed' }] }, {}, { mayBePaidAlready: false }],
])('%s', async (_, change, options, expected) => {
  const { estimate } = scene(options);
  expect(await estimate({ ...failed, ...change })).toEqual({ mayBePaidAlready: false, ...CALL, ...expected });
});

test('goes by the provider that is called first: the next one while the first is down, the first while all are', async () => {
  const { estimate, upstreams } = scene({ providers: [PAID, FREE] });
  const [first, second] = upstreams.candidates(failed.request);
  const fail = (candidate: typeof first | undefined) => {
    candidate?.upstream.breaker.jobEnded('call', 'account');
  };
  const paid = await estimate(failed);
  fail(first);
  expect(await estimate(failed)).toMatchObject({ cost: { usd: 0 }, call: true });
  fail(second);
  expect(await estimate(failed)).toEqual(paid);
});

test('raises what the retry raises', async () => {
  await expect(scene({ providers: [RETIRED] }).estimate(failed)).rejects.toMatchObject({
    code: 'unsupported_parameter',
    message: 'retired has no model gpt-image-2',
  });
  await expect(scene({ providers: [UNPRICED], budget: 5 }).estimate(failed)).rejects.toMatchObject({
    code: 'unsupported_parameter',
    message: expect.stringContaining('the catalog has no price'),
  });
  for (const status of ['queued', 'generating', 'processing', 'succeeded'] as const) {
    await expect(scene().estimate({ ...failed, status })).rejects.toMatchObject({ code: 'not_retryable' });
  }
  await expect(
    createEstimateRetry({
      upstreams: scene().upstreams,
      store: { read: () => Promise.reject(new ImageError('storage_unavailable', 'no')) },
      costs: { estimate: async (call) => estimateCost(call) },
      budget: { usdPerDay: null, usdPerDayOfKey: new Map() },
    })({ ...failed, original }),
  ).rejects.toMatchObject({ code: 'storage_unavailable' });
});
