import { describe, expect, it, vi } from 'vitest';
import { createImageEvents } from '../../../src/adapters/events/local.ts';
import { TRAINED_ALGORITHMIC_MEDIA } from '../../../src/core/domain/digital-source.ts';
import { ImageError, ProviderError } from '../../../src/core/domain/errors.ts';
import type { Attempt } from '../../../src/core/domain/image.ts';
import type { Cost } from '../../../src/core/domain/money.ts';
import type { ImageRequest } from '../../../src/core/domain/request.ts';
import { CATALOG } from '../../../src/core/models/catalog.ts';
import type { Costs } from '../../../src/core/money/costs.ts';
import type { FetchAnnounced } from '../../../src/core/pipeline/announced-picture.ts';
import { createAttempt } from '../../../src/core/pipeline/attempt.ts';
import type { ReadInputs } from '../../../src/core/pipeline/edit-inputs.ts';
import { inRun, type Run } from '../../../src/core/pipeline/job.ts';
import { createRunningCalls } from '../../../src/core/pipeline/running-calls.ts';
import { planGeneration } from '../../../src/core/planning/plan.ts';
import type { JobSignals } from '../../../src/core/ports/job-queue.ts';
import type { AnnouncedAnswer, GenerationCall, GenerationOptions, Provider } from '../../../src/core/ports/provider.ts';
import { NO_TRACING } from '../../../src/core/ports/tracer.ts';
import { anInput } from '../../support/edit-inputs.ts';
import { received } from '../../support/received.ts';
import { ANNOUNCED, ESTIMATE, imageIn } from '../domain/life-cycle/example-changes.ts';
import { openJobOf } from './job-of.ts';

const TIMEOUT_MS = 180_000;
const ADDRESS: AnnouncedAnswer = {
  url: ANNOUNCED.url,
  revisedPrompt: null,
  httpStatus: 200,
  providerRequestId: 'req_1',
  usage: null,
  pauseMs: null,
};

/** One attempt of a queued image: `generate` is its call, `fetchAnnounced` what comes after an answer with a URL. */
function openScene({
  generate,
  fetchAnnounced = () => Promise.reject(new Error('is not called')),
  estimate = async () => ESTIMATE,
  isWatched = false,
  partials = 0,
  request = {},
  readInputs = () => Promise.reject(new Error('is not called')),
}: {
  readonly generate: (options: GenerationOptions, call: GenerationCall) => ReturnType<Provider['generate']>;
  readonly fetchAnnounced?: FetchAnnounced;
  readonly estimate?: Costs['estimate'];
  readonly isWatched?: boolean;
  /** As the request asks for them. */
  readonly partials?: number;
  readonly request?: Partial<ImageRequest>;
  readonly readInputs?: ReadInputs;
}) {
  const model = CATALOG.get('gpt-image-2');
  if (model === undefined) throw new Error('the catalog lacks gpt-image-2');
  const image = imageIn('queued');
  const events = createImageEvents();
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
    digitalSourceType: TRAINED_ALGORITHMIC_MEDIA,
    supportsSize: true,
    controlSequences: [],
    model: () => model,
    generate: (call, options) => generate(options, call),
    download: () => Promise.reject(new Error('is not called')),
  };
  const spent: Cost[] = [];
  const steps: string[] = [];
  const settle: Costs['settle'] = async (_call, _usage, reserved) => {
    steps.push('settled');
    return reserved;
  };
  const attemptOnce = createAttempt({
    store: { put: async () => void steps.push('stored'), remove: async () => void steps.push('removed') },
    readInputs,
    events: { wantsPartials: async () => isWatched, openPartials: events.openPartials },
    guardSpending: () => undefined,
    costs: { estimate, settle },
    fetchAnnounced,
    runningCalls: createRunningCalls(),
    timeoutMs: TIMEOUT_MS,
    telemetry: { providerCall: () => {}, spent: (_provider, _model, cost) => void spent.push(cost) },
    tracer: NO_TRACING,
    clock,
    newId: () => 'a',
  });
  const run: Run = { ...inRun(job, image.run), signals };
  const attempt = async (): Promise<Attempt | undefined> => (await job.read())?.attempts.at(-1);
  const call = () => attemptOnce(run, provider, planGeneration({ ...image.request, partials, ...request }, model));
  /** Makes each write take its time, as to a database that is full or far away. */
  function slowDown(): void {
    const { advance, change } = run;
    Object.assign(run, {
      advance: (...given: Parameters<Run['advance']>) => clock.sleep(1_000).then(() => advance(...given)),
      change: (...given: Parameters<Run['change']>) => clock.sleep(1_000).then(() => change(...given)),
    });
  }

  return { run, clock, ends, spent, steps, events, attempt, call, slowDown };
}

type End = keyof JobSignals;

describe('the call of an attempt', () => {
  it('is on record before it is sent, and its picture is stored before anything else is done', async () => {
    let sent: Attempt | undefined;
    const scene = openScene({
      async generate() {
        sent = await scene.attempt();
        const { httpStatus, providerRequestId } = ADDRESS;
        const bytes = { ...received(Buffer.from('picture')), release: () => scene.steps.push('released') };
        return { ...bytes, httpStatus, providerRequestId, usage: null, revisedPrompt: null, pauseMs: null };
      },
    });
    scene.slowDown();
    const { image, original } = await scene.call();
    expect(sent).toMatchObject({ id: 'a', outcome: 'unknown', durationMs: null });
    expect(scene.steps).toEqual(['stored', 'released', 'settled']);
    expect(image).toMatchObject({ status: 'processing', original, attempts: [{ id: 'a', outcome: 'ok' }] });
  });

  it.each<[End, { readonly cancelled: boolean; readonly abandoned: boolean }]>([
    ['cancelled', { cancelled: true, abandoned: false }],
    ['discarded', { cancelled: false, abandoned: true }],
    ['stopping', { cancelled: false, abandoned: true }],
    ['draining', { cancelled: false, abandoned: false }],
  ])('is told of `%s`', async (end, told) => {
    const scene = openScene({
      async generate({ cancelled, abandoned }) {
        scene.ends[end].abort();
        expect({ cancelled: cancelled.aborted, abandoned: abandoned.aborted }).toEqual(told);
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

describe('the cost of an attempt', () => {
  it.each([
    ['nothing', 'for a call that is known not to be billed', new ProviderError('unreachable', 'no answer'), 'failed'],
    ['its estimate', 'for a call that may be billed', new ProviderError('timeout', 'no answer'), 'unknown'],
    ['its estimate', 'where an adapter raises what it must not', new TypeError('a defect'), 'unknown'],
  ])('is %s %s', async (what, _when, error, outcome) => {
    const scene = openScene({ generate: () => Promise.reject(error) });
    await expect(scene.call()).rejects.toBeInstanceOf(ProviderError);
    expect(scene.spent).toEqual(what === 'nothing' ? [] : [ESTIMATE]);
    const cost = what === 'nothing' ? { usd: 0 } : ESTIMATE;
    expect(await scene.attempt()).toMatchObject({ outcome, durationMs: expect.any(Number), cost });
  });

  it('is estimated once the records can be read', async () => {
    let tries = 0;
    const scene = openScene({
      generate: () => Promise.reject(new ProviderError('unreachable', 'no answer')),
      async estimate() {
        tries += 1;
        if (tries === 1) throw new ImageError('storage_unavailable', 'the disk is gone');
        return ESTIMATE;
      },
    });
    await expect(scene.call()).rejects.toThrow('no answer');
    expect(tries).toBe(2);
  });
});

describe('a call whose partial pictures', () => {
  const tooMuch = new ImageError('budget_exhausted', 'the budget is spent');

  it.each([
    ['are listened to asks for two', 0, true, 2, [2], [2]],
    ['are listened to asks for none where the budget has no room for them', 0, true, 0, [2, 0], [0]],
    ['are listened to is not made where the budget has no room for it at all', 0, true, -1, [2, 0], []],
    ['the request asks for asks for as many, although nobody listens', 3, false, 3, [3], [3]],
    ['the request asks for asks for as many, although two are enough to listen', 3, true, 3, [3], [3]],
    ['the request asks for asks for no more, although somebody listens', 1, true, 3, [1], [1]],
    ['the request asks for is not made where the budget has no room for these', 3, false, 2, [3], []],
  ])('%s', async (_what, asked, isWatched, room, estimated, sent) => {
    const partials: { readonly estimated: number[]; readonly sent: number[] } = { estimated: [], sent: [] };
    const scene = openScene({
      isWatched,
      partials: asked,
      async estimate(call) {
        partials.estimated.push(call.partialImages);
        if (call.partialImages > room) throw tooMuch;
        return ESTIMATE;
      },
      generate(_options, call) {
        partials.sent.push(call.partialImages);
        return Promise.reject(new ProviderError('unreachable', 'no answer'));
      },
    });
    await expect(scene.call()).rejects.toThrow(sent.length === 0 ? tooMuch.message : 'no answer');
    expect(partials).toEqual({ estimated, sent });
  });

  it('the request asks for keeps the newest for a listener that comes late, until it has ended', async () => {
    const seen: number[] = [];
    const listen = () =>
      scene.events.subscribe(scene.run.mediaId, { changed() {}, partial: ({ index }) => seen.push(index) });
    const scene = openScene({
      partials: 2,
      generate({ onPartial }) {
        onPartial?.(Buffer.from('blurred'), 0);
        onPartial?.(Buffer.from('finer'), 1);
        listen();
        return Promise.reject(new ProviderError('unreachable', 'no answer'));
      },
    });
    await expect(scene.call()).rejects.toThrow('no answer');
    expect(seen).toEqual([1]);
    listen();
    expect(seen).toEqual([1]);
  });
});

describe('the partial pictures that the request asks for', () => {
  it.each([
    ['are asked for without a listener', false, 1, [1]],
    ['are no fewer with a listener', true, 3, [3]],
    ['are no more with a listener: each is billed', true, 1, [1]],
  ])('%s', async (_what, isWatched, partials, sent) => {
    const asked: number[] = [];
    const scene = openScene({
      isWatched,
      request: { partials },
      generate(_options, call) {
        asked.push(call.partialImages);
        return Promise.reject(new ProviderError('unreachable', 'no answer'));
      },
    });
    await expect(scene.call()).rejects.toThrow('no answer');
    expect(asked).toEqual(sent);
  });
});

describe('an edit', () => {
  const inputs = [anInput({ width: 64, height: 48 })];

  it('gets the bytes of its pictures, and counts them in its estimate', async () => {
    const inputBytes = new Map([['a', Buffer.from('picture')]]);
    const disposed = vi.fn();
    let given: GenerationOptions['inputBytes'];
    let estimated: unknown;
    const scene = openScene({
      request: { inputs },
      readInputs: async () => ({ bytes: inputBytes, [Symbol.dispose]: disposed }),
      async estimate({ edit }) {
        estimated = edit;
        return ESTIMATE;
      },
      async generate(options) {
        given = options.inputBytes;
        expect(disposed).not.toHaveBeenCalled();
        throw new ProviderError('unreachable', 'no answer');
      },
    });
    await expect(scene.call()).rejects.toThrow('no answer');
    expect(given).toBe(inputBytes);
    expect(disposed).toHaveBeenCalled();
    expect(estimated).toEqual({ inputs, mask: null });
  });

  it('whose picture is lost is neither recorded nor sent', async () => {
    const scene = openScene({
      request: { inputs },
      readInputs: () => Promise.reject(new ImageError('storage_unavailable', 'input 1 is missing')),
      generate: () => Promise.reject(new Error('is not called')),
    });
    await expect(scene.call()).rejects.toThrow('input 1 is missing');
    expect(await scene.attempt()).toBeUndefined();
    expect(scene.spent).toEqual([]);
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
      async fetchAnnounced(_run, _provider, _attempt, until) {
        fetched.push((await scene.attempt())?.announced?.url, Math.floor((until - began) / 1000) * 1000);
        throw new ProviderError('empty', 'it is gone');
      },
    });
    scene.slowDown();
    const began = scene.clock.monotonic();
    await expect(scene.call()).rejects.toThrow('it is gone');
    expect(fetched).toEqual([ADDRESS.url, TIMEOUT_MS]);
  });
});
