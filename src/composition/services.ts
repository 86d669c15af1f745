import { randomUUID } from 'node:crypto';
import type { Logger } from 'pino';
import { v7 as uuidv7 } from 'uuid';
import { createPictureFetcher } from '../adapters/fetching/picture-fetcher.ts';
import { createImagingThreads } from '../adapters/imaging/threads.ts';
import { createProvenanceReader } from '../adapters/provenance/reader.ts';
import type { Config } from '../config/config.ts';
import type { ProviderState } from '../core/domain/provider-state.ts';
import { createToRecord, mayRunElsewhere } from '../core/domain/record.ts';
import { createCallDefaults } from '../core/images/call-defaults.ts';
import type { Calls } from '../core/images/calls.ts';
import { createDerive } from '../core/images/derive.ts';
import { createPublishedPictures } from '../core/images/published-file.ts';
import { protectInputs } from '../core/inputs/input-holds.ts';
import { createGuardSpending } from '../core/money/budget-watch.ts';
import { createCosts } from '../core/money/costs.ts';
import { withStageTimes } from '../core/operations/stage-times.ts';
import { createRunningCalls } from '../core/pipeline/running-calls.ts';
import { createEnsureThumbnail } from '../core/pipeline/thumbnails.ts';
import { createDeletions } from '../core/retention/deletions.ts';
import { createSweepWatch } from '../core/retention/sweep-watch.ts';
import { createStorageCapacity } from '../core/storage/capacity.ts';
import { createStorageWatch } from '../core/storage/storage-watch.ts';
import { watchMediaStore, watchRecords } from '../core/storage/watched-stores.ts';
import type { AppServices } from '../http/app.ts';
import { createKeyRing } from '../security/key-ring.ts';
import { createGuardedFetch } from '../security/ssrf-guard.ts';
import { createHealthChecks } from './health-checks.ts';
import { createMcp } from './mcp.ts';
import { createServiceMetrics } from './metrics.ts';
import { openOperations, openStageTimes, storeStageTimes } from './operations.ts';
import { loadSharp, openLinks, openTracing, openWebhooks, trySigning } from './optional-parts.ts';
import { createPipeline } from './pipeline.ts';
import { openProviders } from './providers.ts';
import { createBeginWork } from './start/begin-work.ts';
import { openPresets } from './start/open-presets.ts';
import {
  pollShutdownDates,
  reportUnreadable,
  warnAboutSettings,
  warnAboutUnpricedModels,
  watchForRecovery,
} from './start/startup.ts';
import { createServiceStop, type StopServices } from './stop.ts';
import { openMedia } from './stores/media.ts';
import { openStores } from './stores/open-stores.ts';
import { readSecrets } from './stores/secrets.ts';
import { openCallThreads } from './threads/call-threads.ts';
import { createUseCases } from './use-cases.ts';
import { VERSION } from './version.ts';
import { REAL_WORLD, type World } from './world.ts';

/** The wired service: what the HTTP interface calls, and how the process starts and stops it. */
export interface Services extends AppServices {
  /** Names this process in each line, where there may be replicas. */
  readonly logger: Logger;
  readonly calls: Calls;
  /** Resumes unfinished images and starts the scheduled jobs. Call after `listen` has succeeded: only then is the port ours. */
  start(): Promise<void>;
  /** Takes up one image where it is unfinished, for a command that does not start the service. */
  resume(mediaId: string): Promise<void>;
  /** Whether a process runs that makes pictures: this one, or one of the replicas over the same records. */
  hasMaker(): Promise<boolean>;
  /**
   * Stops in phases. At once new work is refused, waiting calls are answered, and work that waits is left to the next start; everything
   * else is served on. A paid call that is running is waited for, at most `graceMs`. When none is running, and what was received has
   * had a few seconds to be finished, event streams end and `endAnswers` is called; once it has settled, after which no request may read or
   * write any more, everything that was opened is closed in reverse order.
   *
   * Resolves to true where work was left behind that cannot be broken off, such as the encoding of a slow rendition.
   */
  readonly stop: StopServices;
  /** Reloads the API keys from their file. */
  readonly reloadKeys: () => void;
}

/** Composition root: chooses the adapters and wires the service. If it rejects, everything it had opened is closed again. */
export async function createServices(
  config: Config,
  baseLogger: Logger,
  {
    clock,
    random,
    openImaging = createImagingThreads,
    openCalls = openCallThreads,
    isShared = config.records.kind === 'postgres',
  }: World = REAL_WORLD,
): Promise<Services> {
  await using opened = new AsyncDisposableStack();
  const { presets, references } = await openPresets(config);
  const instance = randomUUID();
  const tracing = await openTracing(config, { instance, logger: baseLogger, clock });
  opened.defer(() => tracing.close());
  const { tracer } = tracing;
  const log = config.records.kind === 'postgres' ? tracing.logger.child({ instance }) : tracing.logger;

  const derive = createDerive({ webhookUrls: config.webhooks.urls, randomId: () => randomUUID() });
  const storageWatch = createStorageWatch({ clock, log });
  const stores = await openStores(config, { derive, instance, clock, log }, opened);
  const { locks, events, cluster } = stores;
  const records = watchRecords(stores.records, storageWatch, events, log);
  opened.defer(() => storageWatch.close());
  const keys = createKeyRing({ ...config.keys, learnSecrets: config.secrets.learn, log });
  opened.defer(() => keys.close());
  const secrets = await readSecrets(config, stores.keepSecret);
  let providerStates = (): readonly ProviderState[] => [];
  const membership = cluster && (await cluster.join(secrets, () => providerStates()));
  opened.defer(async () => await membership?.leave());
  const { urls, links } = openLinks(config, secrets, clock);
  const runningCalls = createRunningCalls();
  const folder = watchMediaStore(await openMedia(config.media, { stores, clock, log }, opened), storageWatch);
  const { store, ...inputHolds } = protectInputs(folder, { records, locks, clock });
  const toRecord = createToRecord({
    urls,
    pathOf: (name) => store.pathOf(name),
    runningCalls,
    ...(isShared && { isRunningElsewhere: mayRunElsewhere }),
    positionOf: (mediaId) => queue.position(mediaId),
  });
  const { providers, upstreams, shutdowns } = openProviders(
    config,
    { callLimits: cluster?.callLimits ?? null, tracer, clock, log, openCalls },
    opened,
  );
  providerStates = () => upstreams.conditions(config.defaults.model);
  const metrics = createServiceMetrics(config, {
    instance,
    records,
    store,
    storageWatch,
    upstreams,
    providers,
    shutdowns,
    queueDepth: async () => ({ ...(await queue.depth()), ...(cluster && { dead: await cluster.deadJobs() }) }),
    clock,
  });
  const stageTimes = openStageTimes(records, clock, opened);
  const deliverer = openWebhooks(
    config,
    { outbox: records.outbox, secrets: secrets.webhook, toRecord, telemetry: metrics, clock, random, log },
    opened,
  );

  const imaging = openImaging({
    ...config.imaging,
    checks: config.checks,
    containBackground: config.containBackground,
    signing: await trySigning(config, clock),
    tracer,
  });
  opened.defer(() => imaging.close());
  const costs = createCosts({ records, log });
  const guardSpending = createGuardSpending({ budget: config.budget, log });
  const queue = createPipeline(config, {
    records,
    store,
    events,
    createQueue: stores.createQueue,
    imaging,
    upstreams,
    costs,
    guardSpending,
    runningCalls,
    telemetry: withStageTimes(metrics, stageTimes),
    tracer,
    clock,
    random,
    log,
    // A late write of one process then never lands on what another has published.
    contentNames: isShared,
  });
  const guard = createGuardedFetch({ allow: config.fetch.allowHosts });
  opened.defer(() => guard.close());
  const capacity = createStorageCapacity({ queue, store, defaultSize: config.defaults.size, watch: storageWatch });
  const deletions = createDeletions({ records, store, queue, events, locks, telemetry: metrics, clock, log });
  const sweepWatch = createSweepWatch(log, metrics);
  const ensureThumbnail = createEnsureThumbnail({ records, store, imaging, contentNames: isShared, log });
  const stopping = new AbortController();
  const ending = new AbortController();
  const { images, calls } = createUseCases(config, {
    records,
    store,
    inputHolds,
    locks,
    isShared,
    imaging,
    fetcher: createPictureFetcher({
      guard,
      maskSecrets: config.secrets.mask,
      userAgent: `Easel/${VERSION}`,
      stopping: stopping.signal,
    }),
    capacity,
    queue,
    events,
    presets,
    references,
    provenanceReader: createProvenanceReader({ loadSharp }),
    providers,
    upstreams,
    costs,
    guardSpending,
    deletions,
    sweepWatch,
    ensureThumbnail,
    reportOperations: openOperations(config, {
      instance,
      membership,
      stores,
      records,
      store,
      stageTimes,
      providerStates,
      clock,
    }),
    urls,
    toRecord,
    clock,
    tracer,
    // Alone: as a callback of a list it would take the index for a buffer.
    newId: () => uuidv7(),
    log,
    stopping: stopping.signal,
    ending: ending.signal,
  });
  const checks = createHealthChecks({
    capacity,
    sweepTrouble: sweepWatch.trouble,
    records,
    queue,
    queueLimit: config.queue.limit,
    deadJobs: cluster?.deadJobs ?? null,
    upstreams,
    shutdowns,
    clock,
  });

  const beginWork = createBeginWork(config, {
    stores,
    records,
    store,
    queue,
    deletions,
    deliverer,
    cleanUp: () => images.cleanup({}),
    log,
  });

  const openResources = opened.move();
  let starting = Promise.resolve();

  async function startWork(): Promise<void> {
    warnAboutSettings(config, log);
    warnAboutUnpricedModels(config, providers, log);
    shutdowns.warn();
    openResources.defer(watchForRecovery({ watch: storageWatch, capacity, records, log }));
    await reportUnreadable(records, log);
    // A replica that only answers lists models and refuses those that are shut down, too.
    openResources.defer(pollShutdownDates(shutdowns, log));
    openResources.defer(storeStageTimes(stageTimes, log));
    if (config.role !== 'api') await beginWork(openResources);
  }

  return {
    images,
    calls,
    callDefaults: createCallDefaults({ providers, defaults: config.defaults }),
    metrics,
    tracer,
    logger: log,
    clock,
    keys,
    toRecord,
    links,
    reloadKeys: keys.reload,
    stopping: () => stopping.signal.aborted,
    providerUsable: () => upstreams.anyUsable(),
    pictures: createPublishedPictures({ records, store, ensureThumbnail }),
    checks,
    requestCounters: cluster?.requestCounters ?? null,
    mcp: createMcp(config.server.mcpWaitSeconds, log),

    resume: (mediaId) => queue.enqueue(mediaId),
    hasMaker: async () => membership === null || (await membership.hasMaker()),

    start() {
      starting = startWork();
      return starting;
    },

    stop: createServiceStop({
      stopping,
      ending,
      queue,
      clock,
      started: () => starting,
      close: () => openResources.disposeAsync(),
    }),
  };
}
