import { expect, it } from 'vitest';
import { TRAINED_ALGORITHMIC_MEDIA } from '../../../src/core/domain/digital-source.ts';
import { ProviderError, type ProviderFault } from '../../../src/core/domain/errors.ts';
import type { AnnouncedAnswer, GeneratedPicture, Provider } from '../../../src/core/ports/provider.ts';
import { createThrottle, throttled } from '../../../src/core/upstream/throttle.ts';
import { callOptions } from '../../support/generation.ts';
import { received } from '../../support/received.ts';
import { createManualClock } from '../../support/test-clock.ts';

const REPORT = { revisedPrompt: null, usage: null, httpStatus: 200, providerRequestId: null };

/** The pause in milliseconds after a call that ends like this. */
async function pauseAfter(generate: () => Promise<GeneratedPicture | AnnouncedAnswer>): Promise<number> {
  const throttle = createThrottle({ concurrency: null, perMinute: null }, createManualClock());
  const provider: Provider = {
    name: 'x',
    digitalSourceType: TRAINED_ALGORITHMIC_MEDIA,
    supportsSize: true,
    controlSequences: [],
    model: () => null,
    generate,
    download: () => Promise.reject(new Error('no download')),
  };
  const call = {} as Parameters<Provider['generate']>[0];
  await throttled(provider, throttle)
    .generate(call, callOptions())
    .catch(() => undefined);
  return throttle.pausedMs();
}

it.each<[ProviderFault, number]>([
  ['rate_limited', 7000],
  ['overloaded', 7000],
  ['gateway', 7000],
  ['refused', 0],
  ['account', 0],
  ['interrupted', 0],
  ['parameter_refused', 0],
])('a Retry-After with the fault %s pauses the calls for %d ms', async (fault, pausedMs) => {
  const failing = () => Promise.reject(new ProviderError(fault, 'no', { retryAfterMs: 7000 }));
  expect(await pauseAfter(failing)).toBe(pausedMs);
});

it.each([
  ['a picture', received(Buffer.from('x'))],
  ['the address of a picture', { url: 'https://example.com/1.png' }],
])('a used-up rate limit that came with %s pauses the calls', async (_, answer) => {
  expect(await pauseAfter(async () => ({ ...answer, ...REPORT, pauseMs: 5000 }))).toBe(5000);
  expect(await pauseAfter(async () => ({ ...answer, ...REPORT, pauseMs: null }))).toBe(0);
});
