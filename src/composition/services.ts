import { randomUUID } from 'node:crypto';
import { setTimeout as delay } from 'node:timers/promises';
import type { Logger } from 'pino';
import { v7 as uuidv7 } from 'uuid';
import { createImageEvents } from '../adapters/events/local.ts';
import { createImaging } from '../adapters/imaging/finish.ts';
import { configureSharp } from '../adapters/imaging/sharp.ts';
import { createProvenanceReader } from '../adapters/provenance/reader.ts';
import { createTransport } from '../adapters/providers/transport.ts';
import { createLocalQueue } from '../adapters/queue/local.ts';
import { openSqliteRecords } from '../adapters/records/sqlite/records.ts';
import { createDiskStore } from '../adapters/storage/disk.ts';
import { createMetrics } from '../adapters/telemetry/prometheus.ts';
import { createWebhookSender } from '../adapters/webhooks/sender.ts';
import type { Config } from '../config/config.ts';
import type { ProviderSettings } from '../config/provider-settings.ts';
import { fileUrls } from '../core/domain/record.ts';
import { createDerive } from '../core/images/derive.ts';
import { createPublishedPictures } from '../core/images/published-file.ts';
import { createShutdownWatch, shutdownTime } from '../core/models/retirement.ts';
import { utcDay } from '../core/money/budget.ts';
import type { Clock } from '../core/ports/clock.ts';
import type { JobQueue } from '../core/ports/job-queue.ts';
import { createDeletions } from '../core/retention/deletions.ts';
import { createUpstreams } from '../core/upstream/upstreams.ts';
import { createDeliverer } from '../core/webhooks/deliverer.ts';
import type { AppServices } from '../http/app.ts';
import { hostOf } from '../security/allow-list.ts';
import { createKeyRing } from '../security/key-ring.ts';
import { loadOrCreateSecret } from '../security/secret-file.ts';
import { createGuardedFetch, type GuardedFetch } from '../security/ssrf-guard.ts';
import { HEALTHY_FREE_BYTES, healthChecks, providersCheck } from './health-checks.ts';
import { createSigner, openLinks, openTracing, webhookSecret } from './optional-parts.ts';
import { createPipeline } from './pipeline.ts';
import { createProvider, MAX_PROVIDER_RESPONSE_BYTES } from './providers.ts';
import { runEvery } from './schedule.ts';
import { pollShutdownDates, warnAboutPlaceholder, warnAboutUnpricedModels } from './startup.ts';
import { createUseCases } from './use-cases.ts';
import { VERSION } from './version.ts';

export interface Services extends AppServices {
  /** Takes up what an earlier process left unfinished, and begins the schedule. Call once it is known that the port is ours. */
  start(): Promise<void>;
  /**
   * Ends in phases: no new work, waiting calls are answered, running jobs may end until `deadline` fires; what is then
   * unfinished is left for the next start. Then, when `answered` has settled too (by then no request may read or write any
   * more), closes everything that was opened, in reverse order.
   */
  stop(deadline: AbortSignal, answered?: Promise<unknown>): Promise<void>;
  /** Reads the file of API keys again. */
  readonly reloadKeys: () => void;
}

/** Time and chance, so that tests can hold them still. */
export interface World {
  readonly clock: Clock;
  /** In [0, 1). */
  readonly random: () => number;
}

const REAL_WORLD: World = {
  clock: { now: () => Date.now(), sleep: (ms, signal) => delay(ms, undefined, { signal }) },
  random: Math.random,
};

/** Builds the service from its parts; the only place that knows which adapters there are. After a failed start nothing stays open. */
export async function createServices(
  config: Config,
  baseLogger: Logger,
  { clock, random }: World = REAL_WORLD,
): Promise<Services> {
  await using opened = new AsyncDisposableStack();

  const tracing = await openTracing(config, baseLogger, clock);
  opened.defer(() => tracing.close());
  const { tracer, logger } = tracing;
  configureSharp();
  const derive = createDerive({ webhookUrls: config.webhooks.urls, randomId: () => randomUUID() });
  const records = openSqliteRecords({ path: config.records.path, derive });
  opened.defer(() => records.close());
  const keys = createKeyRing({ ...config.keys, log: logger });
  opened.defer(() => keys.close());
  const links = config.links && (await openLinks(config.links, clock));
  const urls = links?.urls ?? fileUrls;
  const store = await createDiskStore(config.media);
  const transport = createTransport({ maxResponseBytes: MAX_PROVIDER_RESPONSE_BYTES, tracer });
  opened.defer(() => transport.close());

  const openGuard = ({ baseURL }: ProviderSettings): GuardedFetch => {
    // The operator named the provider's own host: a local model server may well answer with URLs of its own.
    const own = baseURL === null ? [] : [hostOf(baseURL)];
    const guard = createGuardedFetch({ allow: [...own, ...config.fetch.allowHosts] });
    opened.defer(() => guard.close());
    return guard;
  };
  const shutdowns = createShutdownWatch({
    inUse: [...new Set([config.defaults.model, ...config.aliases.values()])],
    clock,
    log: logger,
  });
  const providers = config.providers.map((settings) => ({
    provider: shutdowns.watch(createProvider(settings, config, transport, openGuard(settings), clock)),
    limits: { concurrency: settings.concurrency, perMinute: settings.perMinute },
  }));
  const upstreams = createUpstreams(providers, clock);

  const stopping = new AbortController();
  const events = createImageEvents();
  const metrics = createMetrics({
    queueDepth: async () => {
      const [depth, slow] = await Promise.all([jobs.depth(), deferred.depth()]);
      return { ...depth, deferred: slow.waiting + slow.running };
    },
    mediaBytes: () => records.mediaBytes(),
    freeBytes: () => store.freeBytes(),
    breakers: () => upstreams.states().map(({ name, openedBy }) => ({ provider: name, open: openedBy !== null })),
    spentToday: () => records.spending(utcDay(clock.now()), null),
    reserved: async () => (await records.balance(utcDay(clock.now()), null)).reserved / 1e6,
    budget: config.budget,
    shutdowns: () => shutdowns.known().map(({ model, date }) => ({ model, time: shutdownTime(date) })),
    models: providers.map(({ provider }) => ({
      provider: provider.name,
      model: provider.model(config.defaults.model)?.id ?? config.defaults.model,
    })),
  });
  const webhookGuard = createGuardedFetch({ allow: config.webhooks.allowHosts });
  opened.defer(() => webhookGuard.close());
  const deliverer = createDeliverer({
    outbox: records.outbox,
    sender: createWebhookSender({
      secrets: config.webhooks.secrets ?? [await loadOrCreateSecret(config.webhooks.secretPath, webhookSecret)],
      guard: webhookGuard,
      clock,
      userAgent: `Easel/${VERSION}`,
    }),
    urls,
    telemetry: metrics,
    clock,
    random,
    log: logger,
  });
  opened.defer(() => deliverer.stop());
  const shared = {
    records,
    store,
    events,
    budget: config.budget,
    clock,
    upstreams,
    newId: uuidv7,
    tracer,
    log: logger,
  };
  const { runImage, runDeferred } = createPipeline(config, {
    ...shared,
    imaging: createImaging({
      checks: config.checks,
      background: config.cropGround,
      signer: await createSigner(config, clock),
      tracer,
    }),
    telemetry: metrics,
    random,
  });
  // One at a time, beside the jobs: a slow rendition holds up no picture, and on two cores takes a third of them at most.
  const deferred = createLocalQueue({
    concurrency: 1,
    run: runDeferred,
  });
  const jobs = createLocalQueue({
    concurrency: config.queue.concurrency,
    async run(mediaId, signals) {
      await runImage(mediaId, signals);
      await deferred.enqueue(mediaId);
    },
  });
  const queue: JobQueue = {
    enqueue: (mediaId) => jobs.enqueue(mediaId),
    depth: () => jobs.depth(),
    async cancel(mediaId) {
      await jobs.cancel(mediaId);
      await deferred.cancel(mediaId);
    },
    async stop(deadline) {
      await jobs.stop(deadline);
      await deferred.stop(deadline);
    },
  };
  const deletions = createDeletions({ records, store, queue, events, telemetry: metrics, clock, log: logger });
  const images = createUseCases(config, {
    records,
    store,
    queue,
    events,
    provenanceReader: createProvenanceReader(),
    upstreams,
    deletions,
    urls,
    clock,
    tracer,
    newId: uuidv7,
    log: logger,
    stopping: stopping.signal,
  });

  const openResources = opened.move();
  let starting = Promise.resolve();
  return {
    images,
    metrics,
    tracer,
    logger,
    clock,
    keys,
    urls,
    links,
    reloadKeys: keys.reload,
    stopping: () => stopping.signal.aborted,
    providerUsable: () => upstreams.anyUsable(),
    pictures: createPublishedPictures({ records, store }),
    checks: healthChecks(
      config,
      records,
      queue,
      () => store.check(HEALTHY_FREE_BYTES),
      () => providersCheck(upstreams, shutdowns, clock),
    ),

    start() {
      starting = resumeWork();
      return starting;
    },

    async stop(deadline, answered) {
      stopping.abort();
      await Promise.allSettled([queue.stop(deadline), starting, answered]);
      await openResources.disposeAsync();
    },
  };

  async function resumeWork(): Promise<void> {
    warnAboutPlaceholder(config, logger);
    warnAboutUnpricedModels(
      config,
      providers.map(({ provider }) => provider),
      logger,
    );
    shutdowns.warn();
    try {
      await store.removeTemporary();
      await deletions.completeAll();
    } catch (error) {
      // What is published can be served all the same. The next cleanup completes deletions, the next start the rest.
      logger.error({ err: error }, 'what an earlier process left behind could not be cleared away yet');
    }
    const unfinished = await records.unfinished();
    if (unfinished.length > 0) logger.info({ images: unfinished.length }, 'taking up unfinished images');
    for (const mediaId of unfinished) await queue.enqueue(mediaId);
    deliverer.start();
    openResources.defer(pollShutdownDates(shutdowns, logger));
    openResources.defer(
      runEvery(config.retention.intervalMs, logger, async () => {
        await images.cleanup({});
      }),
    );
  }
}
