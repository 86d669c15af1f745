import { Counter, collectDefaultMetrics, Gauge, Histogram, Registry } from 'prom-client';
import { WEBHOOK_OUTCOMES } from '../../core/domain/delivery.ts';
import { IMAGE_ERROR_CODES, type ImageErrorCode } from '../../core/domain/errors.ts';
import { ATTEMPT_OUTCOMES, FINISHED_STATUSES } from '../../core/domain/image.ts';
import { type Metrics, STAGES } from '../../core/ports/telemetry.ts';
import { type GaugeSources, registerGauges } from './prometheus-gauges.ts';

interface MetricSources extends GaugeSources {
  /** The configured models. Their series exist from the start, at 0: a series that appears later has no rate for its first events. */
  readonly models: readonly { readonly provider: string; readonly model: string }[];
  /** Of Easel. */
  readonly version: string;
  /** What this process is called and does among replicas; absent where it is alone. */
  readonly replica?: { readonly instance: string; readonly role: string } | null;
}

/** Prometheus metrics in a registry of their own: counters and histograms of events, and gauges read at every scrape. */
export function createMetrics({ models, version, replica = null, ...gaugeSources }: MetricSources): Metrics {
  const registry = new Registry();
  const registers = [registry];
  collectDefaultMetrics({ register: registry });
  // prom-client gives these gauges the suffix of a counter, which `promtool check metrics` refuses.
  for (const kind of ['handles', 'requests', 'resources']) registry.removeSingleMetric(`nodejs_active_${kind}_total`);

  const images = new Counter({
    name: 'easel_images_total',
    help: 'Images that ended, by how they ended; code says why one failed, and is empty for the others.',
    labelNames: ['status', 'provider', 'model', 'code'],
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

  const problems = new Counter({
    name: 'easel_http_problems_total',
    help: 'Requests that were answered with a problem, by its code.',
    labelNames: ['code'],
    registers,
  });
  const cleanupFailures = new Counter({
    name: 'easel_cleanup_failures_total',
    help: 'Cleanups, scheduled or asked for, that failed as a whole. One that passes over single files is none.',
    registers,
  });
  const cleanupSuccess = new Gauge({
    name: 'easel_cleanup_last_success_timestamp_seconds',
    help: 'When a cleanup last succeeded in this process; 0 before the first.',
    registers,
  });
  const build = new Gauge({
    name: 'easel_build_info',
    help: 'Always 1; the labels say which Easel runs on which Node.',
    labelNames: ['version', 'node'],
    registers,
  });
  build.set({ version, node: process.versions.node }, 1);
  if (replica !== null) {
    const info = new Gauge({
      name: 'easel_instance_info',
      help: 'Always 1; the labels name this replica, anew at each start, and say what it does.',
      labelNames: ['instance', 'role'],
      registers,
    });
    info.set({ ...replica }, 1);
  }

  const modelLabel = boundedLabel(MAX_MODEL_LABELS);
  const keyLabel = boundedLabel(MAX_KEY_LABELS);
  registerGauges(registry, gaugeSources, modelLabel, keyLabel);

  for (const { provider, model: id } of models) {
    const model = modelLabel(id);
    for (const status of FINISHED_STATUSES) {
      for (const code of status === 'failed' ? RUN_FAILURES : ['']) images.inc({ status, provider, model, code }, 0);
    }
    for (const outcome of ATTEMPT_OUTCOMES) calls.inc({ provider, outcome }, 0);
    retries.inc({ provider }, 0);
    accountFaults.inc({ provider }, 0);
    spent.inc({ provider, model }, 0);
  }
  for (const stage of STAGES) stages.zero({ stage });
  for (const outcome of WEBHOOK_OUTCOMES) webhooks.inc({ outcome }, 0);
  for (const code of REFUSALS) problems.inc({ code }, 0);

  return {
    imageEnded: ({ status, provider, model, error }) =>
      images.inc({
        status,
        provider,
        model: modelLabel(model),
        code: status === 'failed' ? codeLabel(error?.code) : '',
      }),
    providerCall: (provider, outcome) => calls.inc({ provider, outcome }),
    providerRetry: (provider) => retries.inc({ provider }),
    accountFault: (provider) => accountFaults.inc({ provider }),
    webhookTried: (outcome) => webhooks.inc({ outcome }),
    stage: (stage, seconds) => stages.observe({ stage }, seconds),
    spent: (provider, model, { usd }) => {
      if (usd !== null) spent.inc({ provider, model: modelLabel(model) }, Math.max(0, usd));
    },
    countRequest(method, route, status, seconds, problem) {
      requests.observe({ method: METHODS.has(method) ? method : 'other', route, status }, seconds);
      if (problem !== null) problems.inc({ code: problem });
    },
    cleanupEnded(succeeded) {
      if (succeeded) cleanupSuccess.setToCurrentTime();
      else cleanupFailures.inc();
    },
    expose: async () => ({ contentType: registry.contentType, body: await registry.metrics() }),
  };
}

/** What a run may fail with. */
const RUN_FAILURES: readonly ImageErrorCode[] = [
  'unsupported_parameter',
  'budget_exhausted',
  'prompt_rejected',
  'provider_failed',
  'provider_timeout',
  'provider_unavailable',
  'invalid_image',
  'internal_error',
  'storage_full',
  'storage_unavailable',
];

const CODES: ReadonlySet<string> = new Set(IMAGE_ERROR_CODES);

/** The code of a failure as a label: of the closed list, else `other`. */
function codeLabel(code = ''): string {
  return CODES.has(code) ? code : 'other';
}

/** Problems that refuse new work for want of something. Their series exist from the start, at 0. */
const REFUSALS: readonly ImageErrorCode[] = [
  'budget_exhausted',
  'queue_full',
  'provider_unavailable',
  'storage_full',
  'storage_unavailable',
  'internal_error',
];

/** Seconds, from serving a cached picture to waiting for a slow model; the retry deadline is 600 s by default. */
const DURATION_BUCKETS = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 20, 40, 60, 120, 300, 600];

/** Methods with a label of their own. A client may send any method, so all others share the label `other`. */
const METHODS = new Set(['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS']);
/** Most models with a label of their own; callers may be able to name any model. */
const MAX_MODEL_LABELS = 100;
/** Most API keys with a label of their own. */
const MAX_KEY_LABELS = 100;

/** Bounds the cardinality of a label: passes the first `limit` distinct values through and maps all later ones to `other`. */
function boundedLabel(limit: number): (value: string) => string {
  const known = new Set<string>();
  return (value) => {
    if (known.size < limit) known.add(value);
    return known.has(value) ? value : 'other';
  };
}
