/**
 * Replicas that work on the image `x` over one record and one media store, in one process: each has a pipeline of its own. Every access to
 * what they share waits for its turn, before it and after it, so that a test decides their order, and which of them is paused.
 */

import { setImmediate as nextTurn } from 'node:timers/promises';
import { pino } from 'pino';
import { createImageEvents } from '../../../src/adapters/events/local.ts';
import { TRAINED_ALGORITHMIC_MEDIA } from '../../../src/core/domain/digital-source.ts';
import { ProviderError } from '../../../src/core/domain/errors.ts';
import { sha256 } from '../../../src/core/domain/file-names.ts';
import type { RenditionFormat } from '../../../src/core/domain/formats.ts';
import type { Image } from '../../../src/core/domain/image.ts';
import { CATALOG } from '../../../src/core/models/catalog.ts';
import { createAttempt } from '../../../src/core/pipeline/attempt.ts';
import { createDeferredRenditions } from '../../../src/core/pipeline/deferred-renditions.ts';
import { createFinish } from '../../../src/core/pipeline/finish.ts';
import { createGenerate, createRegenerate } from '../../../src/core/pipeline/generate.ts';
import { createOpenJob } from '../../../src/core/pipeline/job.ts';
import { createOutcome } from '../../../src/core/pipeline/outcome.ts';
import { createRunImage } from '../../../src/core/pipeline/run-image.ts';
import { createRunningCalls } from '../../../src/core/pipeline/running-calls.ts';
import { createFindStoredOriginal } from '../../../src/core/pipeline/stored-original.ts';
import { planGeneration } from '../../../src/core/planning/plan.ts';
import type { Clock } from '../../../src/core/ports/clock.ts';
import type { Imaging } from '../../../src/core/ports/imaging.ts';
import type { JobSignals } from '../../../src/core/ports/job-queue.ts';
import type { MediaStore } from '../../../src/core/ports/media-store.ts';
import type { Provider } from '../../../src/core/ports/provider.ts';
import type { RecordStore } from '../../../src/core/ports/record-store.ts';
import { NO_TRACING } from '../../../src/core/ports/tracer.ts';
import { createFallback } from '../../../src/core/upstream/fallback.ts';
import { createCallProvider } from '../../../src/core/upstream/provider-calls.ts';
import { createRetryBudget } from '../../../src/core/upstream/retry-budget.ts';
import { createUpstreams } from '../../../src/core/upstream/upstreams.ts';
import { callOptions } from '../../support/generation.ts';

/** What the model does with a call: a picture, a failure that is not billed, or one that may be. */
export type CallEnd = 'picture' | 'failed' | 'unknown';

export const AMBIGUOUS_RETRIES = 1;

/** The cost of a call that brought a picture: its number, from 1, in microdollars. */
export const costOf = (call: number) => ({ usd: call / 1e6, basis: 'usage' }) as const;

interface SharedParts {
  readonly records: Pick<RecordStore, 'get' | 'update'>;
  readonly store: Pick<MediaStore, 'read' | 'put' | 'publish' | 'remove'>;
  /** How each call ends, by its number from 1. */
  readonly endOf: (call: number) => CallEnd;
  /** Called with the claim whose replica is about to write, before it does. */
  readonly onWrite?: (claim: number) => void;
}

/** An access that waits for its turn. */
interface Waiting {
  readonly claim: number;
  readonly what: string;
  readonly go: () => void;
}

export function openReplicas({ records, store, endOf, onWrite = () => {} }: SharedParts) {
  const waiting: Waiting[] = [];
  let calls = 0;
  let made = 0;
  let attempts = 0;
  let time = Date.UTC(2026, 10, 23, 16);

  /** What a replica does of one claim. */
  function createReplica(claim: number, contentNames = true) {
    const turn = (what: string) => new Promise<void>((go) => void waiting.push({ claim, what, go }));
    async function access<T>(what: string, work: () => Promise<T>): Promise<T> {
      await turn(what);
      const result = await work();
      await turn(`after ${what}`);
      return result;
    }
    const clock: Clock = {
      now: () => time,
      monotonic: () => time,
      async sleep(ms) {
        await turn('sleep');
        time += ms;
      },
    };
    const media: Pick<MediaStore, 'read' | 'put' | 'publish' | 'remove'> = {
      read: (name) => access('read', () => store.read(name)),
      put: (name, bytes) => access('put', () => store.put(name, bytes)),
      publish: (files) => access('publish', () => store.publish(files)),
      remove: (names) => access('remove', () => store.remove(names)),
    };
    const model = CATALOG.get('gpt-image-2');
    if (model === undefined) throw new Error('the catalog lacks gpt-image-2');
    const provider: Provider = {
      name: `p${claim}`,
      digitalSourceType: TRAINED_ALGORITHMIC_MEDIA,
      supportsSize: true,
      controlSequences: [],
      model: () => model,
      async generate() {
        calls += 1;
        const call = calls;
        await turn('call');
        const end = endOf(call);
        if (end === 'failed') throw new ProviderError('overloaded', 'not this time');
        if (end === 'unknown') throw new ProviderError('interrupted', 'the connection broke');
        const bytes = Buffer.from(`picture of call ${call}`);
        // The cost of the call goes by its number, which the fake costs find here.
        const usage = { textInput: call, cachedInput: 0, imageInput: 0, output: 0 };
        const answer = { httpStatus: 200, providerRequestId: `req_${call}`, revisedPrompt: `by call ${call}` };
        return { bytes, sha256: sha256(bytes), usage: { ...usage }, pauseMs: null, ...answer };
      },
      download: () => Promise.reject(new Error('is not called')),
    };
    const log = pino({ level: 'silent' });
    const upstreams = createUpstreams([{ provider, limits: { concurrency: null, perMinute: null } }], clock, log);
    const telemetry = {
      providerRetry: () => {},
      accountFault: () => {},
      providerCall: () => {},
      spent: () => {},
      stage: () => {},
      imageEnded: () => {},
    };
    const openJob = createOpenJob({
      records: {
        get: (mediaId) => access('get', () => records.get(mediaId)),
        update: (mediaId, change, guard) =>
          access('update', () => {
            onWrite(claim);
            return records.update(mediaId, change, guard);
          }),
      },
      events: createImageEvents(),
      telemetry,
      tracer: NO_TRACING,
      clock,
      log,
    });
    const retry = { maxAttempts: 4, deadlineMs: 600_000, ambiguousRetries: AMBIGUOUS_RETRIES };
    const retryBudget = createRetryBudget(100, clock);
    const { recordFailure, reportOutcome } = createOutcome({ telemetry, tracer: NO_TRACING, clock });
    const fetchAnnounced = () => Promise.reject(new Error('is not called'));
    const timeoutMs = 180_000;
    const findStoredOriginal = createFindStoredOriginal({
      store: media,
      // Replicas are set up alike, so each knows the providers of the others.
      upstreams: {
        provider: (name) => ({ ...provider, name }),
        plan: (_provider, request) => planGeneration(request, model),
      },
      fetchAnnounced,
      timeoutMs,
      clock,
    });
    const generate = createGenerate({
      upstreams,
      findStoredOriginal,
      callWithFallback: createFallback({
        callProvider: createCallProvider({ retry, retryBudget, telemetry, clock, random: () => 0.5 }),
        retry,
        retryBudget,
        clock,
      }),
      attemptOnce: createAttempt({
        store: media,
        readInputs: () => Promise.reject(new Error('is not called')),
        events: createImageEvents(),
        guardSpending: () => undefined,
        costs: {
          estimate: async () => ({ usd: 0.05, basis: 'estimate' }),
          settle: async (_call, usage) => costOf(usage?.textInput ?? 0),
        },
        fetchAnnounced,
        runningCalls: createRunningCalls(),
        timeoutMs,
        telemetry,
        tracer: NO_TRACING,
        clock,
        newId: () => `a${++attempts}`,
      }),
    });
    const encoded = (of: string, format: RenditionFormat, size = 64) => {
      // No two makings are the same, as with a signature that has its time.
      const bytes = Buffer.from(`${of}, made by ${claim} as number ${++made}`);
      return { width: size, height: size, format, bytes, sha256: sha256(bytes) };
    };
    const imaging: Pick<Imaging, 'finish' | 'finishDeferred'> = {
      async finish(read, spec) {
        const original = Buffer.from(await read()).toString();
        return {
          master: encoded(`master of ${original}`, spec.master.format),
          renditions: spec.renditions.map((one) => ({ ...encoded(original, one.format), ...sizeOf(one) })),
          thumbnail: encoded(`thumbnail of ${original}`, 'webp'),
          checks: [],
          thumbhash: '',
          dominantColour: '#000000',
          warnings: [],
          [Symbol.dispose]: () => {},
        };
      },
      async finishDeferred(read, spec, publish) {
        const original = Buffer.from(await read()).toString();
        for (const one of spec.deferred) await publish({ ...encoded(original, one.format), ...sizeOf(one) });
        return [];
      },
    };
    const options = { embedPrompt: false, contentNames };
    const deferredFormats = ['avif'] as const;
    return {
      runImage: createRunImage({
        openJob,
        findStoredOriginal,
        generate,
        finish: createFinish({ store: media, imaging, ...options, deferredFormats, reportOutcome, clock }),
        regenerate: createRegenerate({ generate, regenerateOnReject: false, maxAttempts: 4, clock }),
        recordFailure,
        tracer: NO_TRACING,
      }),
      runDeferred: createDeferredRenditions({ openJob, store: media, imaging, ...options }),
    };
  }

  const { cancelled: signal } = callOptions();
  const signals: JobSignals = { draining: signal, cancelled: signal, discarded: signal, stopping: signal };

  return {
    /** A replica that has claimed the job: it runs the image, and with `claim + 0.5` makes the renditions that are deferred. */
    async claim(claim: number): Promise<void> {
      await createReplica(claim).runImage('x', signals, claim);
      await createReplica(claim + 0.5).runDeferred('x', signals, claim + 0.5);
    },
    /** A process that has the records alone: nothing is claimed. */
    async runAlone(): Promise<void> {
      const { runImage, runDeferred } = createReplica(0, false);
      await runImage('x', signals);
      await runDeferred('x', signals);
    },
    /** The accesses that wait, once every replica does. */
    async waiting(): Promise<readonly Waiting[]> {
      for (let round = 0; round < 3; round += 1) await nextTurn();
      return waiting;
    },
    /** Lets one of those that wait go on. */
    goOn(one: Waiting): void {
      waiting.splice(waiting.indexOf(one), 1);
      one.go();
    },
    /** Calls that the model was sent. */
    get calls() {
      return calls;
    },
  };
}

function sizeOf({ width, height }: { readonly width: number; readonly height: number }) {
  return { width, height };
}

export type Replicas = ReturnType<typeof openReplicas>;

/**
 * Lets replicas go on until the access `what` of this claim waits, or, with null, until none does; those of `paused` stay where they are.
 */
export async function advance(
  replicas: Replicas,
  until: { readonly claim: number; readonly what: string } | null,
  paused: readonly number[] = [],
): Promise<void> {
  for (let steps = 0; steps < 2_000; steps += 1) {
    const waiting = (await replicas.waiting()).filter(({ claim }) => !paused.includes(claim));
    if (until !== null && waiting.some(({ claim, what }) => claim === until.claim && what === until.what)) return;
    const [next] = waiting;
    if (next === undefined) {
      if (until === null) return;
      throw new Error(`claim ${until.claim} does not come to ${until.what}`);
    }
    replicas.goOn(next);
  }
  throw new Error('the replicas do not end');
}

/** What every file in the record of a succeeded image says is what the store has. */
export function filesIn({ master, renditions }: Image) {
  return [master, ...renditions].filter((file) => file !== null);
}
