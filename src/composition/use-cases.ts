import { randomBytes } from 'node:crypto';
import type { Logger } from 'pino';
import type { Config } from '../config/config.ts';
import { createBytesInHand } from '../core/domain/bytes-in-hand.ts';
import type { MediaUrls, ToRecord } from '../core/domain/record.ts';
import type { CreateImage } from '../core/domain/request.ts';
import { createAcceptance } from '../core/images/acceptance.ts';
import { createAdmission } from '../core/images/admission.ts';
import { createCallsElsewhere } from '../core/images/calls/calls-elsewhere.ts';
import { createCalls } from '../core/images/calls/create-calls.ts';
import type { Calls } from '../core/images/calls.ts';
import { createDeliveries } from '../core/images/deliveries.ts';
import { createFeed } from '../core/images/feed/create-feed.ts';
import { createFollow } from '../core/images/follow.ts';
import { createImages, type Images } from '../core/images/images.ts';
import { createPatch } from '../core/images/patch.ts';
import { createPreview } from '../core/images/preview.ts';
import { createProvenance } from '../core/images/provenance.ts';
import { createJoinOrRerun, createRerun, createRetry } from '../core/images/rerun.ts';
import { createEstimateRetry } from '../core/images/retry-cost.ts';
import { createSubmit } from '../core/images/submit.ts';
import { createWait } from '../core/images/wait.ts';
import type { InputHolds } from '../core/inputs/input-holds.ts';
import { createTakeInputs } from '../core/inputs/intake.ts';
import { listModels } from '../core/models/model-list.ts';
import type { GuardSpending } from '../core/money/budget-watch.ts';
import type { Costs } from '../core/money/costs.ts';
import { reportUsage } from '../core/money/usage.ts';
import type { ReportOperations } from '../core/operations/operations.ts';
import type { Presets } from '../core/planning/presets.ts';
import { resolveRequest } from '../core/planning/resolve-request.ts';
import type { Clock } from '../core/ports/clock.ts';
import type { ImageEvents } from '../core/ports/image-events.ts';
import type { Imaging } from '../core/ports/imaging.ts';
import type { JobQueue } from '../core/ports/job-queue.ts';
import type { Locks } from '../core/ports/locks.ts';
import type { MediaStore } from '../core/ports/media-store.ts';
import type { PictureFetcher } from '../core/ports/picture-fetcher.ts';
import type { ProvenanceReader } from '../core/ports/provenance-reader.ts';
import type { Provider } from '../core/ports/provider.ts';
import type { RecordStore } from '../core/ports/record-store.ts';
import type { Tracer } from '../core/ports/tracer.ts';
import { createCleanup } from '../core/retention/cleanup.ts';
import type { Deletions } from '../core/retention/deletions.ts';
import { createOrphanRemoval } from '../core/retention/orphans.ts';
import { createRepair } from '../core/retention/repair.ts';
import type { SweepWatch } from '../core/retention/sweep-watch.ts';
import type { StorageCapacity } from '../core/storage/capacity.ts';
import { createInputLimits } from '../core/upstream/input-limits.ts';
import type { Upstreams } from '../core/upstream/upstreams.ts';
import { createWebhookUrlCheck } from '../core/webhooks/webhook-url.ts';
import { refusalOfLiteral } from '../security/literal-address.ts';

/** What the use cases share: the adapters that were chosen, and what was built on them. */
interface UseCaseParts {
  readonly records: RecordStore;
  readonly store: MediaStore;
  readonly inputHolds: InputHolds;
  readonly locks: Locks;
  /** Whether other processes have the same records. */
  readonly isShared: boolean;
  readonly imaging: Imaging;
  readonly fetcher: PictureFetcher;
  readonly capacity: StorageCapacity;
  readonly queue: JobQueue;
  readonly events: ImageEvents;
  readonly presets: Presets;
  readonly references: ReadonlyMap<string, Uint8Array>;
  readonly provenanceReader: ProvenanceReader;
  readonly providers: readonly Provider[];
  readonly upstreams: Upstreams;
  readonly costs: Costs;
  readonly guardSpending: GuardSpending;
  readonly deletions: Deletions;
  readonly sweepWatch: SweepWatch;
  readonly ensureThumbnail: (mediaId: string) => Promise<unknown>;
  readonly reportOperations: ReportOperations;
  readonly urls: MediaUrls;
  readonly toRecord: ToRecord;
  readonly clock: Clock;
  readonly tracer: Tracer;
  readonly newId: () => string;
  readonly log: Logger;
  /** Fires when the service begins to stop. */
  readonly stopping: AbortSignal;
  /** Fires when no call is running any more, and the service ends. */
  readonly ending: AbortSignal;
}

/** What the interfaces call: the images, and the OpenAI dialect's calls for them. */
interface UseCases {
  readonly images: Images;
  readonly calls: Calls;
}

/** Builds each use case from the parts and settings that it takes, and puts them together as facades. */
export function createUseCases(config: Config, parts: UseCaseParts): UseCases {
  const { presets, records, store, queue, events, providers, upstreams, costs, deletions, urls, toRecord } = parts;
  const { clock, tracer, newId, log, stopping, ensureThumbnail } = parts;
  const { budget, defaults, retention } = config;
  const queueLimit = config.queue.limit;
  const modelNames = modelNamesIn(config);
  const checkWebhookUrl = createWebhookUrlCheck((url) => refusalOfLiteral(url, config.webhooks.allowHosts));
  const resolve = (create: CreateImage) => {
    checkWebhookUrl(create.webhookUrl);
    return resolveRequest(create, presets, defaults);
  };
  const takeInputs = createTakeInputs({
    records,
    store,
    holds: parts.inputHolds,
    imaging: parts.imaging,
    references: parts.references,
    fetcher: parts.fetcher,
    limitsOf: createInputLimits(upstreams),
    inHand: createBytesInHand(config.inputs.memoryBytes),
  });
  const admission = createAdmission({
    queue,
    capacity: parts.capacity,
    deletions,
    queueLimit,
    guardSpending: parts.guardSpending,
    stopping,
  });
  const retentionByLabel = retention.byLabel;
  const rerun = createRerun({
    records,
    queue,
    events,
    upstreams,
    admission,
    costs,
    retentionByLabel,
    clock,
    tracer,
    log,
  });

  const accept = createAcceptance({
    records,
    queue,
    upstreams,
    admission,
    costs,
    retentionByLabel,
    clock,
    tracer,
    logPrompts: config.log.prompts,
    log,
  });
  const waitUntilFinished = createWait({ records, events, clock, stopping });

  const images = createImages({
    records,
    submit: createSubmit({ records, accept, joinOrRerun: createJoinOrRerun(rerun), resolve, takeInputs, newId }),
    retry: createRetry(rerun),
    estimateRetry: createEstimateRetry({ upstreams, store, costs, budget }),
    patch: createPatch({ records, checkWebhookUrl, retentionByLabel, clock, log }),
    preview: createPreview({ upstreams, resolve, takeInputs, costs, budget }),
    waitUntilFinished,
    follow: createFollow({ records, events, toRecord, ending: parts.ending }),
    openFeed: createFeed({
      events,
      toRecord,
      urlSeconds: config.links?.seconds ?? null,
      clock,
      newId: newFeedId,
      ending: parts.ending,
    }),
    readProvenance: createProvenance({ store, reader: parts.provenanceReader, urls }),
    deliveries: createDeliveries({ outbox: records.outbox, clock }),
    deletions,
    cleanup: createCleanup({
      records,
      store,
      deletions,
      removeOrphans: createOrphanRemoval({ records, store, log }),
      repairMissingFiles: createRepair({ records, store, queue, events, queueLimit, ensureThumbnail, clock, log }),
      retention,
      watch: parts.sweepWatch,
      locks: parts.locks,
      clock,
      log,
    }),
    models: () => listModels({ providers, names: modelNames, isDown: upstreams.isDown }, clock.now()),
    usage: (period, caller) => reportUsage({ records, budget, clock }, period, caller),
    operations: parts.reportOperations,
    presets,
  });
  const calls = createCalls({
    records,
    accept,
    rerun,
    resolve,
    takeInputs,
    waitUntilFinished,
    deletions,
    clock,
    newId,
    ...(parts.isShared && { elsewhere: createCallsElsewhere({ records, locks: parts.locks, clock, log }) }),
  });
  return { images, calls };
}

/** Names a recording of the feed: short, as each of its events bears it. */
function newFeedId(): string {
  return randomBytes(9).toString('base64url');
}

/** Every name by which a request may ask for a model of some provider. */
function modelNamesIn({ catalog, defaults, providers }: Config): readonly string[] {
  return [...catalog.keys(), defaults.model, ...providers.flatMap(({ model }) => model ?? [])];
}
