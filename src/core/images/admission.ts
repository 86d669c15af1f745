import type { Logger } from 'pino';
import { ImageError } from '../domain/errors.ts';
import type { Size } from '../domain/geometry.ts';
import type { Image } from '../domain/image.ts';
import type { Budget } from '../domain/money.ts';
import type { ImageRequest } from '../domain/request.ts';
import type { Presets } from '../planning/presets.ts';
import type { RequestDefaults } from '../planning/resolve-request.ts';
import type { Clock } from '../ports/clock.ts';
import type { ImageEvents } from '../ports/image-events.ts';
import type { JobQueue } from '../ports/job-queue.ts';
import type { MediaStore } from '../ports/media-store.ts';
import type { RecordStore } from '../ports/record-store.ts';
import type { Tracer } from '../ports/tracer.ts';
import type { Deletions } from '../retention/deletions.ts';
import { type Candidate, noProviderAvailable, type Upstreams } from '../upstream/upstreams.ts';

export interface Submission {
  readonly image: Image;
  /** Whether this very call set the work going; false when it joined a run or found the work done. */
  readonly started: boolean;
}

export interface SubmitDeps {
  readonly records: RecordStore;
  readonly store: MediaStore;
  readonly queue: JobQueue;
  readonly deletions: Deletions;
  readonly events: ImageEvents;
  readonly upstreams: Upstreams;
  readonly presets: Presets;
  readonly defaults: RequestDefaults;
  readonly queueLimit: number;
  /** How long images with such a label are kept, in milliseconds. */
  readonly retentionByLabel: ReadonlyMap<string, number>;
  readonly budget: Budget;
  readonly clock: Clock;
  readonly newId: () => string;
  /** Fires when the service begins to stop. */
  readonly stopping: AbortSignal;
  /** Whether prompts may stand in the log. */
  readonly logPrompts: boolean;
  readonly tracer: Tracer;
  readonly log: Logger;
}

export interface SubmitOptions {
  /** The process has more to do than it can: only what is known already is told. */
  readonly overloaded?: boolean;
}

/** What a full queue or a closed door asks callers to wait, in seconds. */
const RETRY_AFTER_SECONDS = 10;
/** What can wait a moment: less would only bring the same callers back at once. */
const OVERLOAD_RETRY_AFTER_SECONDS = 5;

export function queueFullError({ queueLimit }: SubmitDeps): ImageError {
  return new ImageError('queue_full', `${queueLimit} images wait already; nothing was accepted or paid`, {
    retryAfterSeconds: RETRY_AFTER_SECONDS,
  });
}
/**
 * The first provider, of those that can make this picture, that is not down: the one that will be asked first.
 * Raises what keeps the first provider from it where none can, and `provider_unavailable` where all that can are down.
 */
export function chooseProvider({ upstreams }: SubmitDeps, request: ImageRequest): Candidate {
  const candidates = upstreams.candidates(request);
  const working = candidates.find(({ upstream }) => upstream.breaker.waitMs() === 0);
  if (working) return working;
  throw noProviderAvailable(candidates.map(({ upstream }) => upstream));
}
/** While the process cannot keep up, new work is refused, so that what is made goes on being made, served and watched. */
export function overloadError(): ImageError {
  return new ImageError('queue_full', 'the service has more to do than it can; nothing was accepted or paid', {
    retryAfterSeconds: OVERLOAD_RETRY_AFTER_SECONDS,
  });
}

/** A generous guess at what one image needs on disk, in bytes: original, master and renditions, all of them PNG. */
function estimateBytes(size: Size): number {
  return 1_000_000 + 8 * size.width * size.height;
}

/** Makes sure that there is room for this image and for those accepted before it, and that its name is free. */
export async function ensureCapacity(deps: SubmitDeps, mediaId: string, size: Size): Promise<void> {
  if (deps.stopping.aborted) {
    throw new ImageError('shutting_down', 'the service is stopping; try again in a moment', {
      retryAfterSeconds: RETRY_AFTER_SECONDS,
    });
  }
  const { waiting, running } = await deps.queue.depth();
  // The records have the last word; this spares a full queue the look at the disk.
  if (waiting >= deps.queueLimit) throw queueFullError(deps);
  await deps.store.check(estimateBytes(size) * (waiting + running + 1));
  await deps.deletions.completeFor(mediaId);
}
