import { describe, expect, it } from 'vitest';
import { ProviderError } from '../../../src/core/domain/errors.ts';
import type { Attempt } from '../../../src/core/domain/image.ts';
import { CATALOG } from '../../../src/core/models/catalog.ts';
import type { FetchAnnounced } from '../../../src/core/pipeline/announced-picture.ts';
import { createAttempt } from '../../../src/core/pipeline/attempt.ts';
import { createCallsOut } from '../../../src/core/pipeline/calls-out.ts';
import { inRun, type Run } from '../../../src/core/pipeline/job.ts';
import { planGeneration } from '../../../src/core/planning/plan.ts';
import type { JobSignals } from '../../../src/core/ports/job-queue.ts';
import type { GenerationOptions, PictureAddress, Provider } from '../../../src/core/ports/provider.ts';
import { NO_TRACING } from '../../../src/core/ports/tracer.ts';
import { ANNOUNCED, ESTIMATE, imageIn } from '../domain/example-changes.ts';
import { openJobOf } from './job-of.ts';

const TIMEOUT_MS = 180_000;
const ADDRESS: PictureAddress = {
  url: ANNOUNCED.url,
  revisedPrompt: null,
  httpStatus: 200,
  providerRequestId: 'req_1',
  usage: null,
};

/** One attempt of a queued image: `generate` is its call, `fetchAnnounced` what comes after an answer with a URL. */
function openScene({
  generate,
  fetchAnnounced = () => Promise.reject(new Error('is not called')),
}: {
  readonly generate: (options: GenerationOptions) => ReturnType<Provider['generate']>;
  readonly fetchAnnounced?: FetchAnnounced;
}) {
  const model = CATALOG.get('gpt-image-2');
  if (model === undefined) throw new Error('the catalog lacks gpt-image-2');
  const image = imageIn('queued');
  const { job, clock } = openJobOf(image);
  const ends = {
    cancelled: new AbortController(),
    discarded: new AbortController(),
    draining: new AbortController(),
    stopping: new AbortController(),
  };
  const signals: JobSignals = {
    cancelled: ends.cancelled.signal,
    discarded: ends.discarded.signal,
    draining: ends.draining.signal,
    stopping: ends.stopping.signal,
  };
  const provider: Provider = {
    name: 'first',
    supportsSize: true,
    controlSequences: [],
    model: () => model,
    generate: (_call, options) => generate(options),
    download: () => Promise.reject(new Error('is not called')),
  };
  const attemptOnce = createAttempt({
    store: { put: async () => {} },
    events: { partialSink: () => undefined },
    budget: { usdPerDay: null, usdPerDayOfKey: new Map() },
    costs: { estimate: async () => ESTIMATE, settle: async (_call, _usage, reserved) => reserved },
    fetchAnnounced,
    callsOut: createCallsOut(),
    timeoutMs: TIMEOUT_MS,
    telemetry: { providerCall: () => {}, spent: () => {} },
    tracer: NO_TRACING,
    clock,
    newId: () => 'a',
  });
  const run: Run = { ...inRun(job, image.run), signals };
  const attempt = async (): Promise<Attempt | undefined> => (await job.read())?.attempts.at(-1);
  const call = () => attemptOnce(run, provider, planGeneration(image.request, model));
  return { run, clock, ends, attempt, call };
}

type End = keyof JobSignals;

describe('the call of an attempt', () => {
  it.each<[End, { readonly signal: boolean; readonly abandon: boolean }]>([
    ['cancelled', { signal: true, abandon: false }],
    ['discarded', { signal: false, abandon: true }],
    ['stopping', { signal: false, abandon: true }],
    ['draining', { signal: false, abandon: false }],
  ])('is told of `%s`', async (end, told) => {
    const scene = openScene({
      async generate({ signal, abandon }) {
        scene.ends[end].abort();
        expect({ signal: signal.aborted, abandon: abandon.aborted }).toEqual(told);
        throw new ProviderError('cancelled', 'it was seen');
      },
    });
    await expect(scene.call()).rejects.toThrow('it was seen');
  });

  it.each<[string, readonly End[], boolean]>([
    ['a cancel', ['cancelled'], false],
    ['the end of the process', ['draining', 'stopping'], true],
    ['the end of the process after a cancel', ['cancelled', 'draining', 'stopping'], true],
    ['a stop that begins', ['draining'], true],
  ])('is on record with what %s leaves of it: (%j) open: %s', async (_what, signals, isLeftOpen) => {
    const scene = openScene({
      async generate() {
        for (const end of signals) scene.ends[end].abort();
        throw new ProviderError('cancelled', 'it was ended');
      },
    });
    await expect(scene.call()).rejects.toThrow('it was ended');
    const end = isLeftOpen
      ? { outcome: 'unknown', durationMs: null }
      : { outcome: 'cancelled', durationMs: expect.any(Number) };
    expect(await scene.attempt()).toMatchObject(end);
  });
});

describe('an answer that names its picture', () => {
  it('is on record with the URL before that is fetched, which may take the rest of the time of the call', async () => {
    const fetched: unknown[] = [];
    const scene = openScene({
      async generate() {
        await scene.clock.sleep(60_000);
        return ADDRESS;
      },
      async fetchAnnounced(_run, _provider, { startedAt }, until) {
        fetched.push((await scene.attempt())?.announced?.url, until - Date.parse(startedAt));
        throw new ProviderError('empty', 'it is gone');
      },
    });
    const { change } = scene.run;
    // A write that takes its time, as to a database that is full or far away.
    Object.assign(scene.run, {
      change: async (...given: Parameters<Run['change']>) => {
        await scene.clock.sleep(1);
        return await change(...given);
      },
    });
    await expect(scene.call()).rejects.toThrow('it is gone');
    expect(fetched).toEqual([ADDRESS.url, TIMEOUT_MS]);
  });
});
