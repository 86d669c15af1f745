import { TRAINED_ALGORITHMIC_MEDIA } from '../domain/digital-source.ts';
import { ImageError, ProviderError } from '../domain/errors.ts';
import { originalName, sha256, toOriginal } from '../domain/file-names.ts';
import { type Attempt, type Image, isOpen, mayStillBring, type Original } from '../domain/image.ts';
import { adopted, closed } from '../domain/life-cycle/attempt-transitions.ts';
import { resumed } from '../domain/life-cycle/transitions.ts';
import { plannedFields } from '../planning/plan.ts';
import type { Clock } from '../ports/clock.ts';
import type { MediaStore } from '../ports/media-store.ts';
import type { ReceivedBytes } from '../ports/provider.ts';
import type { Upstreams } from '../upstream/upstreams.ts';
import type { FetchAnnounced } from './announced-picture.ts';
import { giveUpFiles } from './give-up-files.ts';
import { type Run, SupersededError } from './job.ts';

/** An image that is being processed, with its durable original. */
export interface StoredOriginal {
  readonly image: Image;
  readonly original: Original;
}

/**
 * Finds the original that an earlier run, or this run in an earlier process, has paid for; null where there is none. A picture whose
 * URL is on record, but which had not been fetched when the process ended, is fetched now.
 * An original whose file is missing or damaged raises `storage_unavailable` while the image is processed from it, and in every run but
 * one that a retry began.
 */
export type FindStoredOriginal = (run: Run, image: Image) => Promise<StoredOriginal | null>;

export function createFindStoredOriginal({
  store,
  upstreams,
  fetchAnnounced,
  timeoutMs,
  clock,
}: {
  readonly store: Pick<MediaStore, 'read' | 'put' | 'remove'>;
  readonly upstreams: Pick<Upstreams, 'plan' | 'provider'>;
  readonly fetchAnnounced: FetchAnnounced;
  /** Milliseconds for which the URL of a picture is tried after a restart. */
  readonly timeoutMs: number;
  readonly clock: Pick<Clock, 'now' | 'monotonic'>;
}): FindStoredOriginal {
  const now = () => new Date(clock.now()).toISOString();

  return async (run, image) => {
    const found =
      (await findRecorded(run, image)) ?? (await findUnrecorded(run, image)) ?? (await findAnnounced(run, image));
    if (found === null && wasPaidFor(run, image)) throw missingOriginal(image);
    return found;
  };

  async function findRecorded(run: Run, { original }: Image): Promise<StoredOriginal | null> {
    if (!original?.sound) return null;
    const bytes = await run.retryRead(() => store.read(original.name));
    if (bytes && sha256(bytes) === original.sha256)
      return { image: await run.advance((current) => resumed(current, now())), original };
    run.log.error({ original: original.name }, 'the original is missing or damaged on disk');
    return null;
  }

  /**
   * Looks for the picture of an attempt that was never closed: the process died during the call, perhaps after the picture was
   * stored. The attempt may belong to an earlier run, such as one that was cancelled just before.
   */
  async function findUnrecorded(run: Run, image: Image): Promise<StoredOriginal | null> {
    for (const attempt of image.attempts.toReversed()) {
      if (!mayStillBring(attempt)) continue;
      const bytes = await run.retryRead(() => store.read(originalName(image.mediaId, attempt.id)));
      if (bytes === null) continue;
      run.log.info({ attempt: attempt.id }, 'the picture had arrived before the restart; nothing is called again');
      return await adopt(run, image, attempt, { bytes, sha256: sha256(bytes) });
    }
    return null;
  }

  /** Fetches the picture of an attempt whose answer named it by its URL, and stores it. */
  async function findAnnounced(run: Run, image: Image): Promise<StoredOriginal | null> {
    for (const attempt of image.attempts.toReversed()) {
      const provider = upstreams.provider(attempt.provider);
      if (attempt.announced === null || !mayStillBring(attempt) || provider === null) continue;
      const began = clock.monotonic();
      try {
        // One that was closed had its time before: a few tries more, in case the file server is back.
        const until = isOpen(attempt) ? began + timeoutMs : began;
        const received = await fetchAnnounced(run, provider, attempt, until);
        const name = originalName(image.mediaId, attempt.id);
        await run.retry(() => store.put(name, received.bytes));
        run.log.info({ attempt: attempt.id }, 'the picture of an earlier call was fetched; nothing is called again');
        return await adopt(run, image, attempt, received).catch(async (error: unknown) => {
          if (error instanceof SupersededError) await giveUpFiles(run, store, [name]);
          throw error;
        });
      } catch (error) {
        if (!(error instanceof ProviderError && error.outcome === 'unknown')) throw error;
        const { httpStatus, providerRequestId } = attempt;
        // From an earlier process on, so that only the time of day tells; that may have been set back meanwhile.
        const durationMs = Math.max(0, clock.now() - Date.parse(attempt.startedAt));
        const end = { outcome: error.outcome, durationMs, httpStatus, providerRequestId };
        await run.change((current) => closed(current, attempt.id, end));
        run.log.warn({ attempt: attempt.id, reason: error.reason }, 'the picture of an earlier call is gone');
      }
    }
    return null;
  }

  async function adopt(run: Run, image: Image, attempt: Attempt, received: ReceivedBytes): Promise<StoredOriginal> {
    const { id, provider } = attempt;
    // Of a provider that is no longer configured, the picture counts as made by a model, as nearly all are.
    const { digitalSourceType = TRAINED_ALGORITHMIC_MEDIA } = upstreams.provider(provider) ?? {};
    const { bytes, sha256 } = received;
    const file = { bytes: bytes.byteLength, sha256 };
    const original = toOriginal(originalName(image.mediaId, id), file, digitalSourceType);
    const plan = upstreams.plan(provider, image.request);
    const adopting = await run.advance((current) => {
      // The record of a new run names the first provider, which need not be the one that made the picture.
      const isOther = provider !== current.provider;
      const planned = plan && isOther ? plannedFields(provider, plan) : null;
      // A process that lost its claim was paid for this picture, and has noted that meanwhile: the record has it, or another one.
      return adopted(current, id, original, planned, now()) ?? resumed(current, now());
    });
    return { image: adopting, original: adopting.original ?? original };
  }
}

/**
 * Whether a picture was paid for that this run must not pay for again. The status is `processing` only once an original is durable;
 * a run that may cost again makes another where the original is lost.
 */
function wasPaidFor(run: Run, { status, original, allowanceFrom }: Image): boolean {
  return status === 'processing' || (original?.sound === true && allowanceFrom !== run.number);
}

/** The run fails instead of calling again: the original was paid for and may reappear, for example with a remounted volume. */
export function missingOriginal({ mediaId }: Image): ImageError {
  return new ImageError(
    'storage_unavailable',
    `the original of ${mediaId} is missing or damaged on disk; sent again, the same request uses it once it is back; ` +
      `POST /images/${mediaId}/retry has another made, which costs again`,
    { mediaId },
  );
}
