import type { Logger } from 'pino';
import type { JobSignals } from '../../core/ports/job-queue.ts';

/** One claim of a job: pg-boss counts a job's claims in `retryCount`, and does nothing for one that is not the newest. */
export interface Attempt {
  readonly id: string;
  readonly retryCount: number;
}

/** A job that this process has claimed. */
export interface RunningJob {
  readonly mediaId: string;
  readonly attempt: Attempt;
  readonly signals: JobSignals;
  /** Resolves when it no longer runs. */
  readonly ended: Promise<void>;
  /** False once another process has it. It may go on for what was paid for, but takes no slot. */
  readonly isOurs: boolean;
}

/** The jobs that this process has claimed, and their heartbeats. */
export interface RunningJobs {
  /** The number of slots that are taken. */
  slots(): number;
  /**
   * Runs `work` as this job, behind an older claim of the same image that still runs here; then `settle` closes it in the queue, unless
   * another process has it by then.
   */
  begin(mediaId: string, attempt: Attempt, work: (job: RunningJob) => Promise<void>, settle: Settle): void;
  /** What runs here for this image. */
  of(mediaId: string): readonly RunningJob[];
  /** Fires `cancelled`, and with `discard` also `discarded`, for what runs here for this image. */
  cancel(mediaId: string, discard: boolean): void;
  /** Every claim that is still ours. */
  attempts(): readonly Attempt[];
  /** The claim is another's now. */
  lose(attempt: Attempt): void;
  /** Resolves when nothing runs here, and all is closed in the queue. */
  allEnded(): Promise<void>;
}

/** Closes a job that has ended in the queue; raises nothing. */
type Settle = (job: RunningJob) => Promise<void>;

interface Entry {
  readonly mediaId: string;
  readonly attempt: Attempt;
  readonly signals: JobSignals;
  readonly cancelled: AbortController;
  readonly discarded: AbortController;
  ended: Promise<void>;
  /** Resolves when it is closed in the queue, too. */
  closed: Promise<void>;
  isOurs: boolean;
  isSettling: boolean;
}

interface RunningJobsParts {
  readonly draining: AbortSignal;
  readonly stopping: AbortSignal;
  /** Sends the heartbeats of claims, and returns the ids of those that are still ours. */
  readonly touch: (attempts: readonly Attempt[]) => Promise<readonly string[]>;
  /** A slot is free. */
  readonly onFree: () => void;
  readonly log: Logger;
}

/** Three heartbeats fit into the time that pg-boss waits for one. */
const HEARTBEAT_INTERVAL_MS = 3_000;

export function createRunningJobs({ draining, stopping, touch, onFree, log }: RunningJobsParts): RunningJobs {
  const entries = new Set<Entry>();
  let timer: NodeJS.Timeout | null = null;

  async function sendHeartbeats(): Promise<void> {
    const sent = [...entries].filter(({ isOurs }) => isOurs);
    if (sent.length === 0) return;
    const held = new Set(await touch(sent.map(({ attempt }) => attempt)));
    for (const entry of sent) if (!held.has(entry.attempt.id)) lose(entry);
  }

  function lose(entry: Entry): void {
    // One that is being closed is gone because of that.
    if (!entry.isOurs || entry.isSettling || !entries.has(entry)) return;
    entry.isOurs = false;
    log.warn({ mediaId: entry.mediaId }, 'another process has taken this job over; what it still brings here is kept');
    onFree();
  }

  function beat(): void {
    // A heartbeat may hang on a lost network, and the next one goes out all the same.
    sendHeartbeats().catch((error: Error) => log.warn({ reason: error.message }, 'heartbeats of jobs were not sent'));
  }

  function setTimer(): void {
    if (entries.size > 0) {
      timer ??= setInterval(beat, HEARTBEAT_INTERVAL_MS).unref();
    } else if (timer !== null) {
      clearInterval(timer);
      timer = null;
    }
  }

  async function run(entry: Entry, work: (job: RunningJob) => Promise<void>): Promise<void> {
    const older = [...entries].filter((other) => other !== entry && other.mediaId === entry.mediaId);
    await Promise.all(older.map(({ ended }) => ended));
    try {
      await work(entry);
    } catch (error) {
      log.error({ mediaId: entry.mediaId, err: error }, 'a job ended with an error, which its record should show');
    }
  }

  async function close(entry: Entry, settle: Settle): Promise<void> {
    await entry.ended;
    entry.isSettling = true;
    if (entry.isOurs) await settle(entry);
    entries.delete(entry);
    setTimer();
    onFree();
  }

  return {
    slots: () => [...entries].filter(({ isOurs }) => isOurs).length,
    begin(mediaId, attempt, work, settle) {
      const cancelled = new AbortController();
      const discarded = new AbortController();
      const signals = { draining, stopping, cancelled: cancelled.signal, discarded: discarded.signal };
      const entry: Entry = {
        mediaId,
        attempt,
        signals,
        cancelled,
        discarded,
        ended: Promise.resolve(),
        closed: Promise.resolve(),
        isOurs: true,
        isSettling: false,
      };
      entries.add(entry);
      setTimer();
      entry.ended = run(entry, work);
      entry.closed = close(entry, settle);
    },
    of: (mediaId) => [...entries].filter((entry) => entry.mediaId === mediaId),
    cancel(mediaId, discard) {
      for (const entry of entries) {
        if (entry.mediaId !== mediaId) continue;
        entry.cancelled.abort();
        if (discard) entry.discarded.abort();
      }
    },
    attempts: () => [...entries].filter(({ isOurs }) => isOurs).map(({ attempt }) => attempt),
    lose({ id, retryCount }) {
      for (const entry of entries) {
        if (entry.attempt.id === id && entry.attempt.retryCount === retryCount) lose(entry);
      }
    },
    async allEnded() {
      while (entries.size > 0) await Promise.all([...entries].map(({ closed }) => closed));
    },
  };
}
