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
import { createImages } from '../core/images/images.ts';
import { createPublishedPictures } from '../core/images/published-file.ts';
import { createShutdownWatch, shutdownTime } from '../core/models/retirement.ts';
import { utcDay } from '../core/money/budget.ts';
import { runDeferred } from '../core/pipeline/deferred-renditions.ts';
import { runImage } from '../core/pipeline/run-image.ts';
import type { Clock } from '../core/ports/clock.ts';
import type { JobQueue } from '../core/ports/job-queue.ts';
import { createDeletions } from '../core/retention/deletions.ts';
import { createRetryBudget } from '../core/upstream/retry-budget.ts';
import { createUpstreams } from '../core/upstream/upstreams.ts';
import { createDeliverer } from '../core/webhooks/deliverer.ts';
import type { AppServices } from '../http/app.ts';
import { hostOf } from '../security/allow-list.ts';
import { createKeyRing } from '../security/key-ring.ts';
import { createGuardedFetch, type GuardedFetch } from '../security/ssrf-guard.ts';
import { createHealthChecks } from './health-checks.ts';
import { createSigner, openTracing } from './optional-parts.ts';
import { createProvider, MAX_PROVIDER_RESPONSE_BYTES } from './providers.ts';
import { runEvery } from './schedule.ts';
import { openLinks, openWebhookSecrets } from './secrets.ts';
import { pollShutdownDates, warnAboutPlaceholder, warnAboutUnpricedModels } from './startup.ts';
import { VERSION } from './version.ts';

export interface Services extends AppServices {
  /** Resumes unfinished images and starts the scheduled jobs. Call after `listen` has succeeded: only then is the port ours. */
  start(): Promise<void>;
  /**
   * Stops in phases. New work is refused, waiting calls are answered, and running jobs may end until `deadline` fires; the
   * next start resumes the others. When `answered` has settled too, after which no request may read or write any more,
   * everything that was opened is closed in reverse order.
   */
  stop(deadline: AbortSignal, answered?: Promise<unknown>): Promise<void>;
  /** Reloads the API keys from their file. */
  readonly reloadKeys: () => void;
}

/** Clock and random numbers; tests replace them with predictable ones. */
interface World {
  readonly clock: Clock;
  /** In [0, 1). */
  readonly random: () => number;
}

const REAL_WORLD: World = {
  clock: { now: () => Date.now(), sleep: (ms, signal) => delay(ms, undefined, { signal }) },
  random: Math.random,
};

/** Composition root: chooses the adapters and wires the service. If it rejects, everything it had opened is closed again. */
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
      secrets: await openWebhookSecrets(config.webhooks),
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
  const runnerDeps = {
    ...shared,
    ...config.pipeline,
    imaging: createImaging({
      checks: config.checks,
      background: config.cropGround,
      signer: await createSigner(config, clock),
      tracer,
    }),
    telemetry: metrics,
    retry: config.retry,
    retryBudget: createRetryBudget(clock),
    random,
  };
  // One at a time, beside the jobs: a slow rendition holds up no picture, and on two cores takes a third of them at most.
  const deferred = createLocalQueue({
    concurrency: 1,
    run: (mediaId, signals) => runDeferred(runnerDeps, mediaId, signals),
  });
  const jobs = createLocalQueue({
    concurrency: config.queue.concurrency,
    async run(mediaId, signals) {
      await runImage(runnerDeps, mediaId, signals);
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
  const imagesDeps = {
    ...shared,
    urls,
    queue,
    deletions: createDeletions({ ...shared, queue, telemetry: metrics }),
    presets: config.presets,
    provenance: createProvenanceReader(),
    defaults: config.defaults,
    queueLimit: config.queue.limit,
    retention: config.retention,
    retentionByLabel: config.retention.byLabel,
    logPrompts: config.log.prompts,
    stopping: stopping.signal,
  };
  const images = createImages(imagesDeps);

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
    checks: createHealthChecks({
      store,
      records,
      queue,
      queueLimit: config.queue.limit,
      upstreams,
      shutdowns,
      clock,
    }),

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
      await imagesDeps.deletions.completeAll();
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
