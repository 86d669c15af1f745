import { ImageError } from '../domain/errors.ts';
import type { Size } from '../domain/geometry.ts';
import type { Image } from '../domain/image.ts';
import type { Cost, SpendingGuard } from '../domain/money.ts';
import type { ImageRequest } from '../domain/request.ts';
import type { GuardSpending } from '../money/budget-watch.ts';
import type { JobQueue } from '../ports/job-queue.ts';
import type { Deletions } from '../retention/deletions.ts';
import type { StorageCapacity } from '../storage/capacity.ts';
import { type Candidate, noProviderAvailable, type Upstreams } from '../upstream/upstreams.ts';

/** The result of submitting a request. */
export interface Submission {
  readonly image: Image;
  /** True when this call started the run; false when it joined a run or found the image finished. */
  readonly started: boolean;
  /** True where the image had failed before, and does not run again by itself. */
  readonly replayed: boolean;
}

export interface SubmitOptions {
  /** The process is overloaded: answer requests for existing images, refuse new work. */
  readonly overloaded?: boolean;
  /** Id of the HTTP request, which the log lines of the run bear. */
  readonly requestId?: string;
}

/** Admission control for new runs of images: it refuses before anything is written or paid. */
export interface Admission {
  /** How many images may be queued at a time. */
  readonly queueLimit: number;
  /**
   * Makes sure that queue and disk have room for a new run of each image, and that no file of a deleted one is left under their mediaIds.
   * Raises `shutting_down`, `queue_full`, and `storage_full` or `storage_unavailable` from the store.
   */
  ensureCapacity(mediaIds: readonly string[], size: Size): Promise<void>;
  /** The budget's veto on the write that reserves `estimate` at `now` (milliseconds since 1970); undefined without a budget. */
  spendingGuard(model: string, estimate: Cost, now: number): SpendingGuard | undefined;
  /** The error for a write of `count` images, one by default, that found no room in the queue. */
  queueFullError(count?: number): ImageError;
}

interface AdmissionDeps {
  readonly queue: Pick<JobQueue, 'depth'>;
  readonly capacity: StorageCapacity;
  readonly deletions: Pick<Deletions, 'completeFor'>;
  readonly queueLimit: number;
  readonly guardSpending: GuardSpending;
  /** Fires when the service begins to stop. */
  readonly stopping: AbortSignal;
}

/** Retry-After for a full queue or a stopping service, in seconds. */
const RETRY_AFTER_SECONDS = 10;
/** Retry-After under overload, in seconds; less would bring the same callers back at once. */
const OVERLOAD_RETRY_AFTER_SECONDS = 5;

export function createAdmission({
  queue,
  capacity,
  deletions,
  queueLimit,
  guardSpending,
  stopping,
}: AdmissionDeps): Admission {
  const queueFullError = (count = 1) => {
    const reason =
      count === 1
        ? `${queueLimit} images wait already`
        : `no more than ${queueLimit} images may wait, these ${count} included`;
    return new ImageError('queue_full', `${reason}; nothing was accepted or paid`, {
      retryAfterSeconds: RETRY_AFTER_SECONDS,
    });
  };

  return {
    queueLimit,
    queueFullError,

    async ensureCapacity(mediaIds, size) {
      if (stopping.aborted) {
        throw new ImageError('shutting_down', 'the service is stopping; try again in a moment', {
          retryAfterSeconds: RETRY_AFTER_SECONDS,
        });
      }
      const completed = Promise.all(mediaIds.map((mediaId) => deletions.completeFor(mediaId)));
      // Refused for another reason, too, what was begun goes on.
      completed.catch(() => undefined);
      const { waiting } = await queue.depth();
      // A cheap check before the one of the disk; the record store decides in its transaction.
      if (waiting + mediaIds.length > queueLimit) throw queueFullError(mediaIds.length);
      await capacity.check(size, mediaIds.length);
      await completed;
    },

    spendingGuard: guardSpending,
  };
}

/**
 * The first provider that can make the picture and whose circuit breaker lets calls through: the one that is called first.
 * Raises the first provider's reason where none can make it, and `provider_unavailable` where the breaker of each is open.
 */
export function chooseProvider(upstreams: Upstreams, request: ImageRequest): Candidate {
  const candidates = upstreams.candidates(request);
  const working = candidates.find(({ upstream }) => upstream.breaker.waitMs() === 0);
  if (working) return working;
  throw noProviderAvailable(candidates.map(({ upstream }) => upstream));
}

/** The error under overload: new work is refused so that running jobs and reads stay fast. */
export function overloadError(): ImageError {
  return new ImageError('queue_full', 'the service is overloaded; nothing was accepted or paid', {
    retryAfterSeconds: OVERLOAD_RETRY_AFTER_SECONDS,
  });
}
