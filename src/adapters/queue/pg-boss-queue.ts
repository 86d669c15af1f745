import { setTimeout as delay } from 'node:timers/promises';
import { faultFields } from '../../core/domain/errors.ts';
import type { JobQueue, RunJob } from '../../core/ports/job-queue.ts';
import { createCancellation } from './cancellation.ts';
import { IMAGE_JOBS, type QueueName } from './job-schema.ts';
import type { SharedJobs } from './pg-boss.ts';
import { type Attempt, createRunningJobs, type RunningJob } from './running-jobs.ts';
import { createWaitingJobs } from './waiting-jobs.ts';

interface PgBossQueueOptions {
  readonly jobs: SharedJobs;
  readonly name: QueueName;
  /** Jobs that run at the same time in this process. */
  readonly concurrency: number;
  readonly run: RunJob;
  /** Milliseconds between two looks for waiting jobs, beside those at a notice and at the end of each job; a second by default. */
  readonly pollMs?: number;
}

const POLL_MS = 1_000;
/** Milliseconds between two tries of what the database did not do. */
const RETRY_MS = 1_000;

/**
 * One of the queues that all processes over one database share. Of a job's image at most one row waits and one runs (pg-boss's policy
 * `stately`, with the mediaId as its key), so that a job never runs twice at once. A job that ends is deleted: a finished image has none.
 *
 * It takes jobs with `fetch`, not with pg-boss's `work`, whose workers sleep out their interval after each job.
 */
export function createPgBossQueue({ jobs, name, concurrency, run, pollMs = POLL_MS }: PgBossQueueOptions): JobQueue {
  const { boss, database, log } = jobs;
  const waiting = createWaitingJobs(database, name);
  const cancellation = createCancellation(jobs, name, waiting);
  const draining = new AbortController();
  const stopping = new AbortController();
  const running = createRunningJobs({
    draining: draining.signal,
    stopping: stopping.signal,
    // What was given back at the end of the process needs no heartbeat.
    touch: async (attempts) => (isClosed ? attempts.map(({ id }) => id) : await jobs.touch(name, attempts)),
    onFree: () => void fetchJobs(),
    log,
  });
  /** Ends what was begun: listeners and the timer. */
  const ends: (() => void)[] = [];
  let isStarted = false;
  let isClosed = false;
  let fetching: Promise<void> | null = null;
  let fetchAgain = false;
  let isFailing = false;

  /** Fills the free slots. */
  function fetchJobs(): Promise<void> {
    if (!isStarted || draining.signal.aborted) return Promise.resolve();
    fetchAgain = true;
    fetching ??= fill().finally(() => {
      fetching = null;
    });
    return fetching;
  }

  async function fill(): Promise<void> {
    try {
      while (fetchAgain && !draining.signal.aborted) {
        fetchAgain = false;
        const free = concurrency - running.slots();
        if (free <= 0) break;
        const fetched = await boss.fetch(name, { batchSize: free, includeMetadata: true });
        isFailing = false;
        for (const { id, retryCount, singletonKey } of fetched)
          running.begin(String(singletonKey), { id, retryCount }, runClaimed, close);
      }
    } catch (error) {
      if (!isFailing) log.warn(faultFields(error), 'no jobs could be taken from the queue; trying on');
      isFailing = true;
    }
  }

  async function runClaimed(job: RunningJob): Promise<void> {
    const claim = await numberClaim(job);
    if (claim !== null) await run(job.mediaId, job.signals, claim);
  }

  /** The number of the claim; null where it does not hold, as this process stood still since it was made, or no job may start any more. */
  async function numberClaim(job: RunningJob): Promise<number | null> {
    while (job.isOurs && !draining.signal.aborted) {
      try {
        const claim = await jobs.nextClaim();
        // Asked after the number was taken: the claim of a process that takes the job over from now on has a greater one.
        const isHeld = (await jobs.touch(name, [job.attempt])).length > 0;
        if (!isHeld) running.lose(job.attempt);
        return isHeld && !draining.signal.aborted ? claim : null;
      } catch (error) {
        log.warn({ mediaId: job.mediaId, ...faultFields(error) }, 'a job that was claimed waits for the database');
        await sleep(draining.signal);
      }
    }
    return null;
  }

  /** Takes the job out of the queue, or gives it back where this process stops: it may have been broken off. */
  async function close(job: RunningJob): Promise<void> {
    while (!isClosed && job.isOurs) {
      try {
        if (draining.signal.aborted) await giveBack([job.attempt]);
        else await boss.deleteJob(name, job.attempt);
        return;
      } catch (error) {
        log.warn({ mediaId: job.mediaId, ...faultFields(error) }, 'a job that has ended stays in the queue for now');
        // Without it, another process takes the job over, and finds nothing to do.
        if (stopping.signal.aborted) return;
        await sleep(stopping.signal);
      }
    }
  }

  /** Has other processes take these jobs at once. */
  async function giveBack(attempts: readonly Attempt[]): Promise<void> {
    if (attempts.length === 0) return;
    await boss.fail(name, [...attempts], { message: 'given back by a process that stopped' });
    jobs.notify(name);
  }

  /** Sends the job. One that waits already is the one, and counts in the line again. */
  async function send(mediaId: string): Promise<void> {
    await boss.upsert(name, {}, { singletonKey: mediaId });
    jobs.notify(name);
  }

  async function sendLater(mediaId: string): Promise<void> {
    while (!isClosed) {
      await delay(RETRY_MS, undefined, { ref: false });
      try {
        await send(mediaId);
        return;
      } catch {
        // The log has it.
      }
    }
  }

  jobs.onClose(async () => {
    for (const end of ends.splice(0)) end();
    draining.abort();
    await fetching;
    const left = running.attempts();
    isClosed = true;
    await giveBack(left).catch((error: unknown) =>
      log.warn(
        { jobs: left.length, ...faultFields(error) },
        'unfinished jobs were not given back; they are taken over',
      ),
    );
  });

  return {
    async enqueue(mediaId) {
      if (name === IMAGE_JOBS && jobs.takeSent(mediaId)) return;
      try {
        await send(mediaId);
      } catch (error) {
        log.warn({ mediaId, ...faultFields(error) }, 'a job could not be sent; trying on');
        void sendLater(mediaId);
      }
    },

    async cancel(mediaId, { discard = false } = {}) {
      const here = running.of(mediaId);
      running.cancel(mediaId, discard);
      const isOurs = ({ id, retryCount }: Attempt) =>
        running.of(mediaId).some(({ attempt }) => attempt.id === id && attempt.retryCount === retryCount);
      await Promise.all([...here.map(({ ended }) => ended), cancellation.elsewhere(mediaId, discard, isOurs)]);
    },

    position: (mediaId) => waiting.position(mediaId),
    depth: () => waiting.depth(),

    async start() {
      if (isStarted || draining.signal.aborted) return;
      isStarted = true;
      jobs.supervise();
      ends.push(await jobs.onJobs(name, () => void fetchJobs()), await cancellation.listen(running.cancel));
      const timer = setInterval(() => void fetchJobs(), pollMs);
      timer.unref();
      ends.push(() => clearInterval(timer));
      await fetchJobs();
    },

    async stop(deadline) {
      draining.abort();
      const abort = () => stopping.abort();
      deadline.addEventListener('abort', abort, { once: true });
      if (deadline.aborted) abort();
      await fetching;
      await running.allEnded();
      deadline.removeEventListener('abort', abort);
      for (const end of ends.splice(0)) end();
    },
  };
}

async function sleep(signal: AbortSignal): Promise<void> {
  await delay(RETRY_MS, undefined, { signal }).catch(() => undefined);
}
