import type { Logger } from 'pino';
import { v7 as uuidv7 } from 'uuid';
import type { Config } from '../config/config.ts';
import type { GuardSpending } from '../core/money/budget-watch.ts';
import type { Costs } from '../core/money/costs.ts';
import { createFetchAnnounced } from '../core/pipeline/announced-picture.ts';
import { createAttempt } from '../core/pipeline/attempt.ts';
import { createDeferredRenditions } from '../core/pipeline/deferred-renditions.ts';
import { createReadInputs } from '../core/pipeline/edit-inputs.ts';
import { createFinish } from '../core/pipeline/finish.ts';
import { createGenerate, createRegenerate } from '../core/pipeline/generate.ts';
import { createImageQueue, type ImageQueue } from '../core/pipeline/image-queue.ts';
import { createInputRoom } from '../core/pipeline/input-room.ts';
import { createOpenJob } from '../core/pipeline/job.ts';
import { createOutcome } from '../core/pipeline/outcome.ts';
import { createRunImage } from '../core/pipeline/run-image.ts';
import type { RunningCalls } from '../core/pipeline/running-calls.ts';
import { createFindStoredOriginal } from '../core/pipeline/stored-original.ts';
import type { Clock } from '../core/ports/clock.ts';
import type { ImageEvents } from '../core/ports/image-events.ts';
import type { Imaging } from '../core/ports/imaging.ts';
import type { MediaStore } from '../core/ports/media-store.ts';
import type { RecordStore } from '../core/ports/record-store.ts';
import type { Telemetry } from '../core/ports/telemetry.ts';
import type { Tracer } from '../core/ports/tracer.ts';
import { createFallback } from '../core/upstream/fallback.ts';
import { createCallProvider } from '../core/upstream/provider-calls.ts';
import { createRetryBudget } from '../core/upstream/retry-budget.ts';
import type { Upstreams } from '../core/upstream/upstreams.ts';

/** Creates one of the queues that the pipeline needs. */
export type CreateQueue = Parameters<typeof createImageQueue>[0]['createQueue'];

/** The adapters of the pipeline, its clock and its source of random numbers. */
interface PipelineAdapters {
  readonly records: RecordStore;
  readonly store: MediaStore;
  readonly events: ImageEvents;
  readonly createQueue: CreateQueue;
  readonly imaging: Imaging;
  readonly upstreams: Upstreams;
  readonly costs: Costs;
  readonly guardSpending: GuardSpending;
  readonly runningCalls: RunningCalls;
  readonly telemetry: Telemetry;
  readonly tracer: Tracer;
  readonly clock: Clock;
  /** In [0, 1). */
  readonly random: () => number;
  readonly log: Logger;
  /** Whether files are stored under names with their checksums: true where several processes publish. */
  readonly contentNames: boolean;
}

/** Builds the pipeline and the queues that run it inside this process. */
export function createPipeline(
  {
    retry,
    pipeline,
    queue,
    inputs,
    callTimeoutMs: timeoutMs,
  }: Pick<Config, 'retry' | 'pipeline' | 'queue' | 'inputs' | 'callTimeoutMs'>,
  adapters: PipelineAdapters,
): ImageQueue {
  const { records, store, events, imaging, upstreams, costs, runningCalls, telemetry, tracer, clock, random, log } =
    adapters;
  const { contentNames } = adapters;
  const { embedPrompt, regenerateOnReject, deferredFormats } = pipeline;
  const openJob = createOpenJob({ records, events, telemetry, tracer, clock, log });
  const { recordFailure, reportOutcome } = createOutcome({ telemetry, tracer, clock });
  const retryBudget = createRetryBudget(retry.retriesPerMinute, clock);
  const callProvider = createCallProvider({ retry, retryBudget, telemetry, clock, random });
  const fetchAnnounced = createFetchAnnounced({ clock, random });
  const findStoredOriginal = createFindStoredOriginal({ store, upstreams, fetchAnnounced, timeoutMs, clock });
  const generate = createGenerate({
    upstreams,
    findStoredOriginal,
    callWithFallback: createFallback({ callProvider, retry, retryBudget, clock }),
    attemptOnce: createAttempt({
      store,
      readInputs: createReadInputs({ store, room: createInputRoom(inputs.memoryBytes) }),
      events,
      guardSpending: adapters.guardSpending,
      costs,
      fetchAnnounced,
      runningCalls,
      timeoutMs,
      telemetry,
      tracer,
      clock,
      newId: uuidv7,
    }),
  });
  return createImageQueue({
    createQueue: adapters.createQueue,
    concurrency: queue.concurrency,
    runImage: createRunImage({
      openJob,
      findStoredOriginal,
      generate,
      finish: createFinish({ store, imaging, embedPrompt, contentNames, deferredFormats, reportOutcome, clock }),
      regenerate: createRegenerate({ generate, regenerateOnReject, maxAttempts: retry.maxAttempts, clock }),
      recordFailure,
      tracer,
    }),
    runDeferred: createDeferredRenditions({ openJob, store, imaging, embedPrompt, contentNames }),
    hasPending: async (mediaId) => ((await records.get(mediaId))?.pending ?? []).length > 0,
    runningCalls,
    clock,
  });
}
