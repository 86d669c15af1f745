import { setTimeout as delay } from 'node:timers/promises';
import type { SharedJobs } from './pg-boss.ts';
import type { Attempt } from './running-jobs.ts';
import type { WaitingJobs } from './waiting-jobs.ts';

/** Cancels jobs that run in other processes. */
export interface Cancellation {
  /**
   * Has the process that runs the job cancel it, and resolves when it no longer runs, or after `LONGEST_WAIT_MS`: a process that has died
   * does not answer, and its job is taken from it by then. A job that only waits no longer counts in the line. Never rejects.
   */
  elsewhere(mediaId: string, discard: boolean, isOurs: (attempt: Attempt) => boolean): Promise<void>;
  /** Calls `cancel` for what other processes want cancelled. Returns the function that ends it. */
  listen(cancel: (mediaId: string, discard: boolean) => void): Promise<() => void>;
}

const CHANNEL = 'easel_cancel_job';
/** Milliseconds between two looks at a job that is being cancelled elsewhere; each is announced again, as a listener may just reconnect. */
const LOOK_MS = 200;
/** A takeover takes as long at most, in milliseconds. */
const LONGEST_WAIT_MS = 15_000;

interface Announcement {
  readonly queue: string;
  readonly mediaId: string;
  readonly discard: boolean;
}

export function createCancellation(jobs: SharedJobs, queue: string, waiting: Pick<WaitingJobs, 'find'>): Cancellation {
  const { boss, database, session, log } = jobs;

  /**
   * Announces the cancel, and returns the claim under which another process runs the job; null where none does, or no longer under
   * `before`.
   */
  async function look(
    { mediaId, discard, isOurs }: { mediaId: string; discard: boolean; isOurs: (attempt: Attempt) => boolean },
    before: Attempt | null,
  ): Promise<Attempt | null> {
    const { running, waits } = await waiting.find(mediaId);
    if (running === null && before === null && waits) {
      await boss.update(queue, { cancelled: true }, { singletonKey: mediaId });
    }
    if (running === null || isOurs(running)) return null;
    if (before !== null && (running.id !== before.id || running.retryCount !== before.retryCount)) return null;
    const announcement: Announcement = { queue, mediaId, discard };
    await database.write('SELECT pg_notify($1, $2)', [CHANNEL, JSON.stringify(announcement)]);
    return running;
  }

  return {
    async elsewhere(mediaId, discard, isOurs) {
      const deadline = performance.now() + LONGEST_WAIT_MS;
      let before: Attempt | null = null;
      for (;;) {
        try {
          before = await look({ mediaId, discard, isOurs }, before);
          if (before === null) return;
        } catch (error) {
          const reason = error instanceof Error ? error.message : String(error);
          log.warn({ mediaId, reason }, 'a cancelled job could not be looked for');
        }
        if (performance.now() > deadline) {
          log.warn({ mediaId }, 'a cancelled job still runs in another process, or cannot be looked for');
          return;
        }
        await delay(LOOK_MS);
      }
    },

    listen: (cancel) =>
      session.listen(CHANNEL, {
        message(payload) {
          const announcement = JSON.parse(payload) as Announcement;
          if (announcement.queue === queue) cancel(announcement.mediaId, announcement.discard);
        },
        // Those that wait for an answer announce again.
        reconnected: () => undefined,
      }),
  };
}
