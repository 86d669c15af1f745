import type { Clock } from '../ports/clock.ts';
import type { RecordStore, StageCount } from '../ports/record-store.ts';
import { STAGES, type Stage, type Telemetry } from '../ports/telemetry.ts';

/** How long a stage took. Both times are within 5% of that of some job, in milliseconds. */
export interface StageTime {
  readonly stage: Stage;
  /** Half of the jobs took no longer. */
  readonly p50Ms: number;
  /** 95% of the jobs took no longer. */
  readonly p95Ms: number;
  readonly count: number;
}

/** How long the stages took, of all processes over the records, over their restarts. */
export interface StageTimes {
  /** Counts a stage that has ended. */
  note(stage: Stage, seconds: number): void;
  /** The stages of the last 24 hours, in whole hours of the clock, that some job had. Raises what reading the records raises. */
  summary(): Promise<readonly StageTime[]>;
  /** Stores what was counted since the last time. Does not raise: what is not stored is tried again with the next. */
  flush(): Promise<void>;
}

const HOUR_MS = 3_600_000;
const HOURS = 24;
/** Each bucket's upper bound is that much larger than the one before: 10% wide, and its middle within 5% of all in it. */
const GROWTH = 1.1;
/** About an hour; what takes longer counts as that. */
const LAST_BUCKET = 158;

/** The bucket of a time: 0 up to a millisecond, then `ceil(log(ms) / log(1.1))`. */
export function bucketOf(seconds: number): number {
  const bucket = Math.ceil(Math.log(seconds * 1_000) / Math.log(GROWTH));
  return Number.isNaN(bucket) ? 0 : Math.min(Math.max(bucket, 0), LAST_BUCKET);
}

/** Creates the counts. There are at most 160 of a stage and an hour, so that they are as many however many jobs there were. */
export function createStageTimes(
  records: Pick<RecordStore, 'noteStages' | 'stageCounts'>,
  clock: Pick<Clock, 'now'>,
): StageTimes {
  let pending = new Map<string, StageCount>();
  let flushing: Promise<void> | null = null;
  const firstHour = () => hourOf(clock.now()) - HOURS + 1;

  function add(count: StageCount): void {
    const key = `${count.hour} ${count.stage} ${count.bucket}`;
    pending.set(key, { ...count, count: count.count + (pending.get(key)?.count ?? 0) });
  }

  async function store(): Promise<void> {
    const counts = pending;
    if (counts.size === 0) return;
    pending = new Map();
    try {
      await records.noteStages([...counts.values()], firstHour());
    } catch {
      for (const count of counts.values()) add(count);
    }
  }

  return {
    note: (stage, seconds) => add({ hour: hourOf(clock.now()), stage, bucket: bucketOf(seconds), count: 1 }),

    async summary() {
      // What is being stored is neither here nor there.
      await flushing;
      const from = firstHour();
      const stored = await records.stageCounts(from);
      const counts = [...stored, ...[...pending.values()].filter(({ hour }) => hour >= from)];
      return STAGES.flatMap(
        (stage) =>
          summaryOf(
            stage,
            counts.filter((one) => one.stage === stage),
          ) ?? [],
      );
    },

    flush() {
      flushing ??= store().finally(() => {
        flushing = null;
      });
      return flushing;
    },
  };
}

function hourOf(now: number): number {
  return Math.floor(now / HOUR_MS);
}

function summaryOf(stage: Stage, counts: readonly Omit<StageCount, 'hour'>[]): StageTime | null {
  const buckets = counts.toSorted((one, other) => one.bucket - other.bucket);
  const count = buckets.reduce((sum, one) => sum + one.count, 0);
  if (count === 0) return null;
  /** The middle of the bucket of the job at this rank (nearest rank). */
  const quantile = (share: number): number => {
    let before = 0;
    const found = buckets.find((one) => {
      before += one.count;
      return before >= share * count;
    });
    return Math.round(GROWTH ** Math.max(0, (found?.bucket ?? 0) - 0.5));
  };
  return { stage, p50Ms: quantile(0.5), p95Ms: quantile(0.95), count };
}

/** The telemetry, whose stages are counted in `times` too. */
export function withStageTimes(telemetry: Telemetry, times: Pick<StageTimes, 'note'>): Telemetry {
  return {
    imageEnded: (image) => telemetry.imageEnded(image),
    providerCall: (provider, outcome) => telemetry.providerCall(provider, outcome),
    providerRetry: (provider) => telemetry.providerRetry(provider),
    accountFault: (provider) => telemetry.accountFault(provider),
    stage(stage, seconds) {
      telemetry.stage(stage, seconds);
      times.note(stage, seconds);
    },
    spent: (provider, model, cost) => telemetry.spent(provider, model, cost),
    webhookTried: (outcome) => telemetry.webhookTried(outcome),
    cleanupEnded: (succeeded) => telemetry.cleanupEnded(succeeded),
  };
}
