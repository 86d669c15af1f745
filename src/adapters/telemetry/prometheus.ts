import { Counter, collectDefaultMetrics, Gauge, Histogram, Registry } from 'prom-client';
import { WEBHOOK_OUTCOMES } from '../../core/domain/delivery.ts';
import { ATTEMPT_OUTCOMES, FINISHED_STATUSES } from '../../core/domain/image.ts';
import type { Budget, Spending } from '../../core/domain/money.ts';
import type { QueueDepth } from '../../core/ports/job-queue.ts';
import { type Metrics, STAGES } from '../../core/ports/telemetry.ts';

/** Where gauges are read from, at every scrape. */
export interface MetricSources {
  /** Jobs that wait, jobs that run, and images whose slow renditions are still to be made. */
  readonly queueDepth: () => Promise<QueueDepth & { readonly deferred: number }>;
  /** Bytes of all published files. */
  readonly mediaBytes: () => Promise<number>;
  /** Room left for files, in bytes; null where there is no telling. */
  readonly freeBytes: () => Promise<number | null>;
  /** The configured providers, and whether each is taken to be down. */
  readonly breakers: () => readonly { readonly provider: string; readonly open: boolean }[];
  /** Today's lines of the books. */
  readonly spentToday: () => Promise<readonly Spending[]>;
  /** US dollars held back for pictures that are accepted and not yet made. */
  readonly reserved: () => Promise<number>;
  readonly budget: Budget;
  /** Models in use that have a shutdown date, in milliseconds since 1970. */
  readonly shutdowns: () => readonly { readonly model: string; readonly time: number }[];
  /** What is configured, so that its series are there from the start, at 0: a series that appears has no rate. */
  readonly models: readonly { readonly provider: string; readonly model: string }[];
}

/** From a cached picture to a call that waits for a slow model; the retry deadline is 600 s by default. */
const DURATION_BUCKETS = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 20, 40, 60, 120, 300, 600];

/** Methods worth a series of their own. */
const METHODS = new Set(['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS']);
/** Most models that get a label; callers may be able to name any. */
const MAX_MODEL_LABELS = 100;
/** Most API keys that get a label. */
const MAX_KEY_LABELS = 100;

/** Metrics in a registry of their own. */
export function createMetrics(sources: MetricSources): Metrics {
  const { queueDepth, mediaBytes, freeBytes, breakers, spentToday, reserved, budget, shutdowns, models } = sources;
  const registry = new Registry();
  const registers = [registry];
  collectDefaultMetrics({ register: registry });
  // Gauges with the suffix of a counter, which `promtool check metrics` refuses.
  for (const kind of ['handles', 'requests', 'resources']) registry.removeSingleMetric(`nodejs_active_${kind}_total`);

  const images = new Counter({
    name: 'easel_images_total',
    help: 'Images that ended, by how they ended.',
    labelNames: ['status', 'provider', 'model'],
    registers,
  });
  const calls = new Counter({
    name: 'easel_provider_requests_total',
    help: 'Calls to providers, by outcome.',
    labelNames: ['provider', 'outcome'],
    registers,
  });
  const retries = new Counter({
    name: 'easel_provider_retries_total',
    help: 'Calls to providers that repeat a call that failed.',
    labelNames: ['provider'],
    registers,
  });
  const accountFaults = new Counter({
    name: 'easel_provider_account_faults_total',
    help: 'Calls refused for the account: key, quota, billing or verification. The operator has to act.',
    labelNames: ['provider'],
    registers,
  });
  const stages = new Histogram({
    name: 'easel_stage_duration_seconds',
    help: 'How long the stages of making a picture take.',
    labelNames: ['stage'],
    buckets: DURATION_BUCKETS,
    registers,
  });
  const requests = new Histogram({
    name: 'easel_http_request_duration_seconds',
    help: 'How long requests take, by route pattern. Status 499: the client left before the answer.',
    labelNames: ['method', 'route', 'status'],
    buckets: DURATION_BUCKETS,
    registers,
  });
  const spent = new Counter({
    name: 'easel_cost_usd_total',
    help: 'US dollars spent on pictures, where the cost is known or estimated.',
    labelNames: ['provider', 'model'],
    registers,
  });
  const webhooks = new Counter({
    name: 'easel_webhook_deliveries_total',
    help: 'Tries to deliver webhooks: delivered, to be retried, failed for good, or forbidden by the receiver (410).',
    labelNames: ['outcome'],
    registers,
  });
  new Gauge({
    name: 'easel_queue_jobs',
    help: 'Jobs that wait, jobs that run, and images that wait for their slow renditions.',
    labelNames: ['state'],
    registers,
    async collect() {
      const { waiting, running, deferred } = await queueDepth();
      this.set({ state: 'waiting' }, waiting);
      this.set({ state: 'running' }, running);
      this.set({ state: 'deferred' }, deferred);
    },
  });
  new Gauge({
    name: 'easel_provider_breaker_state',
    help: 'Whether the provider is taken to be down: 0 closed, calls go through; 1 open, only probes do.',
    labelNames: ['provider'],
    registers,
    collect() {
      for (const { provider, open } of breakers()) this.set({ provider }, open ? 1 : 0);
    },
  });
  new Gauge({
    name: 'easel_media_bytes',
    help: 'Bytes of all published files.',
    registers,
    async collect() {
      // A database that cannot be read must not take the other metrics with it; health tells of it.
      this.set(await mediaBytes().catch(() => Number.NaN));
    },
  });

  new Gauge({
    name: 'easel_storage_free_bytes',
    help: 'Room that is left for pictures, in bytes.',
    registers,
    async collect() {
      this.set((await freeBytes().catch(() => null)) ?? Number.NaN);
    },
  });

  const modelLabel = boundedLabel(MAX_MODEL_LABELS);
  const keyLabel = boundedLabel(MAX_KEY_LABELS);
  new Gauge({
    name: 'easel_spent_today_usd',
    help: 'US dollars spent since 00:00 UTC, by the books; calls of unknown cost are not in it.',
    labelNames: ['model', 'key'],
    registers,
    async collect() {
      this.reset();
      for (const { model, owner, microUsd } of await spentToday().catch(() => [])) {
        this.inc({ model: modelLabel(model), key: keyLabel(owner) }, microUsd / 1e6);
      }
    },
  });
  new Gauge({
    name: 'easel_reserved_usd',
    help: 'US dollars held back for pictures that are accepted and not yet made.',
    registers,
    async collect() {
      this.set(await reserved().catch(() => Number.NaN));
    },
  });
  const limits = new Gauge({
    name: 'easel_budget_usd_per_day',
    help: 'What may be spent in a day, by API key; without the label, by all.',
    labelNames: ['key'],
    registers,
  });
  if (budget.usdPerDay !== null) limits.set(budget.usdPerDay);
  for (const [key, usd] of budget.usdPerDayOfKey) limits.set({ key }, usd);
  new Gauge({
    name: 'easel_model_shutdown_timestamp_seconds',
    help: 'When a model in use will be shut down, or was, where a date is known.',
    labelNames: ['model'],
    registers,
    collect() {
      this.reset();
      for (const { model, time } of shutdowns()) this.set({ model: modelLabel(model) }, time / 1000);
    },
  });

  for (const { provider, model: id } of models) {
    const model = modelLabel(id);
    for (const status of FINISHED_STATUSES) images.inc({ status, provider, model }, 0);
    for (const outcome of ATTEMPT_OUTCOMES) calls.inc({ provider, outcome }, 0);
    retries.inc({ provider }, 0);
    accountFaults.inc({ provider }, 0);
    spent.inc({ provider, model }, 0);
  }
  for (const stage of STAGES) stages.zero({ stage });
  for (const outcome of WEBHOOK_OUTCOMES) webhooks.inc({ outcome }, 0);

  return {
    imageEnded: ({ status, provider, model }) => images.inc({ status, provider, model: modelLabel(model) }),
    providerCall: (provider, outcome) => calls.inc({ provider, outcome }),
    providerRetry: (provider) => retries.inc({ provider }),
    accountFault: (provider) => accountFaults.inc({ provider }),
    webhookTried: (outcome) => webhooks.inc({ outcome }),
    stage: (stage, seconds) => stages.observe({ stage }, seconds),
    spent: (provider, model, { usd }) => {
      if (usd !== null) spent.inc({ provider, model: modelLabel(model) }, Math.max(0, usd));
    },
    countRequest: (method, route, status, seconds) =>
      requests.observe({ method: METHODS.has(method) ? method : 'other', route, status }, seconds),
    expose: async () => ({ contentType: registry.contentType, body: await registry.metrics() }),
  };
}

/** Lets the first `most` values through and calls all later ones `other`, so that a label has a bound. */
function boundedLabel(most: number): (value: string) => string {
  const known = new Set<string>();
  return (value) => {
    if (known.size < most) known.add(value);
    return known.has(value) ? value : 'other';
  };
}
