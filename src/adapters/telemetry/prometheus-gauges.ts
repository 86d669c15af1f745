import { Gauge, type Registry } from 'prom-client';
import { type Budget, microdollarsToUsd, type Spending } from '../../core/domain/money.ts';
import type { QueueDepth } from '../../core/ports/job-queue.ts';

/** Where the gauges get their values at every scrape. */
export interface GaugeSources {
  /** Waiting and running jobs, the number of images with slow renditions pending, and where replicas share the jobs those given up. */
  readonly queueDepth: () => Promise<QueueDepth & { readonly deferred: number; readonly dead?: number }>;
  /** Bytes of all files of the media store. */
  readonly mediaBytes: () => Promise<number>;
  /** Free bytes of the media store; null where it does not know. */
  readonly freeBytes: () => Promise<number | null>;
  /** Whether each part of the storage works. */
  readonly storage: () => readonly { readonly part: string; readonly working: boolean }[];
  /** Number of records that are known to be unreadable. */
  readonly unreadableRecords: () => number;
  /** The circuit breaker of every configured provider. */
  readonly breakers: () => readonly { readonly provider: string; readonly open: boolean }[];
  /** Today's ledger entries. */
  readonly spentToday: () => Promise<readonly Spending[]>;
  /** Reservations for accepted pictures that are not made yet, in US dollars. */
  readonly reserved: () => Promise<number>;
  readonly budget: Budget;
  /** Models in use that have a shutdown date, in milliseconds since 1970. */
  readonly shutdowns: () => readonly { readonly model: string; readonly time: number }[];
}

/** Said of what every replica reads from the database or the store that they share. */
const OF_ALL = 'Of all replicas together: each gives the same number, so take the highest, not the sum.';

/**
 * Registers the gauges. A database or store that cannot be read gives NaN or no series: the scrape must not fail, and the health
 * check reports the fault. `modelLabel` and `keyLabel` bound the cardinality of their labels.
 */
export function registerGauges(
  registry: Registry,
  sources: GaugeSources,
  modelLabel: (model: string) => string,
  keyLabel: (key: string) => string,
): void {
  const {
    queueDepth,
    mediaBytes,
    freeBytes,
    storage,
    unreadableRecords,
    breakers,
    spentToday,
    reserved,
    budget,
    shutdowns,
  } = sources;
  const registers = [registry];

  new Gauge({
    name: 'easel_queue_jobs',
    help: `Jobs that wait, that run, images that wait for slow renditions, and jobs that were lost with their process too often. ${OF_ALL}`,
    labelNames: ['state'],
    registers,
    async collect() {
      const depth: Awaited<ReturnType<typeof queueDepth>> = await queueDepth().catch(() => UNKNOWN_DEPTH);
      const { waiting, running, deferred, dead } = depth;
      this.reset();
      this.set({ state: 'waiting' }, waiting);
      this.set({ state: 'running' }, running);
      this.set({ state: 'deferred' }, deferred);
      if (dead !== undefined) this.set({ state: 'dead' }, dead);
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
    help: `Bytes of all files of the pictures, originals included, each counted once. ${OF_ALL}`,
    registers,
    async collect() {
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
  new Gauge({
    name: 'easel_storage_working',
    help: 'Whether the pictures can be stored and the database can be used: 1, or 0 while new pictures are refused for it.',
    labelNames: ['storage'],
    registers,
    collect() {
      for (const { part, working } of storage()) this.set({ storage: part }, working ? 1 : 0);
    },
  });
  new Gauge({
    name: 'easel_records_unreadable',
    help: 'Records that are known to be damaged. The log names them.',
    registers,
    collect() {
      this.set(unreadableRecords());
    },
  });
  new Gauge({
    name: 'easel_spent_today_usd',
    help: `US dollars spent since 00:00 UTC, by the ledger; calls of unknown cost are not in it. ${OF_ALL}`,
    labelNames: ['model', 'key'],
    registers,
    async collect() {
      this.reset();
      for (const { model, owner, microUsd } of await spentToday().catch(() => [])) {
        this.inc({ model: modelLabel(model), key: keyLabel(owner) }, microdollarsToUsd(microUsd));
      }
    },
  });
  new Gauge({
    name: 'easel_reserved_usd',
    help: `US dollars reserved for pictures that are accepted and not yet made. ${OF_ALL}`,
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
}

const UNKNOWN_DEPTH = { waiting: Number.NaN, running: Number.NaN, deferred: Number.NaN };
