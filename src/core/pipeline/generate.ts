import { ImageError } from '../domain/errors.ts';
import { countedUnknowns, type Image, isRepair } from '../domain/image.ts';
import { setAside, withWarnings } from '../domain/life-cycle/transitions.ts';
import type { Clock } from '../ports/clock.ts';
import type { CallWithFallback } from '../upstream/fallback.ts';
import type { Upstreams } from '../upstream/upstreams.ts';
import type { AttemptOnce } from './attempt.ts';
import { type Run, SupersededError } from './job.ts';
import type { FindStoredOriginal, StoredOriginal } from './stored-original.ts';

/**
 * Pays for a picture: calls the image's providers, with retries and fallback, until one returns it. Where a process that has lost its claim
 * of the job brings the picture that it was paid for meanwhile, that is taken before another call is made.
 */
export type Generate = (run: Run, image: Image) => Promise<StoredOriginal>;

/**
 * Pays for one more picture after `rejection`, where that is allowed: once per run, within its attempts and the budget. It counts as
 * an attempt like any other. Raises `rejection` where it is not allowed, or where the picture was not the reason.
 */
export type Regenerate = (run: Run, image: Image, rejection: unknown) => Promise<StoredOriginal>;

export function createGenerate({
  upstreams,
  callWithFallback,
  attemptOnce,
  findStoredOriginal,
}: {
  readonly upstreams: Pick<Upstreams, 'candidates'>;
  readonly callWithFallback: CallWithFallback;
  readonly attemptOnce: AttemptOnce;
  readonly findStoredOriginal: FindStoredOriginal;
}): Generate {
  return async (run, image) => {
    try {
      return await call(run, image);
    } catch (error) {
      const late = error instanceof SupersededError ? null : await findLate(run, image);
      if (late === null) throw error;
      return late;
    }
  };

  async function call(run: Run, image: Image): Promise<StoredOriginal> {
    return await callWithFallback({
      candidates: upstreams.candidates(image.request),
      requestedAt: Date.parse(image.requestedAt),
      earlier: image.attempts,
      run: run.number,
      unknownBefore: countedUnknowns(image),
      // Draining ends the waits for a slot, a retry or the end of an outage; a call under way goes on until `stopping`.
      signal: AbortSignal.any([run.signals.cancelled, run.signals.draining]),
      log: run.log,
      attempt: ({ upstream, plan }) => attemptOnce(run, upstream.provider, plan, image.original?.name),
    });
  }

  /** The picture that came since the run began to call, from a process that had claimed the job before; null where there is none. */
  async function findLate(run: Run, { original: lost }: Image): Promise<StoredOriginal | null> {
    if (run.claim === undefined || run.signals.cancelled.aborted || run.signals.stopping.aborted) return null;
    const latest = await run.read();
    if (latest === null || !run.isCurrent(latest)) return null;
    const { original } = latest;
    return original?.sound && original.name !== lost?.name ? await findStoredOriginal(run, latest) : null;
  }
}

export function createRegenerate({
  generate,
  regenerateOnReject,
  maxAttempts,
  clock,
}: {
  readonly generate: Generate;
  readonly regenerateOnReject: boolean;
  /** A run that has made this many calls, to all providers together, pays for no other picture. */
  readonly maxAttempts: number;
  readonly clock: Pick<Clock, 'now'>;
}): Regenerate {
  return async (run, image, rejection) => {
    if (!(rejection instanceof ImageError && rejection.code === 'invalid_image') || isRepair(image)) throw rejection;
    const attempts = image.attempts.filter((attempt) => attempt.run === run.number);
    const paid = attempts.filter((attempt) => attempt.outcome === 'ok').length;
    if (!regenerateOnReject || paid > 1 || attempts.length >= maxAttempts) throw rejection;
    const generating = await run.advance((current) => setAside(current, new Date(clock.now()).toISOString()));
    run.log.warn({ reason: rejection.message }, 'picture rejected, one more is paid for');
    const second = await generate(run, generating).catch((error: unknown) => {
      throw error instanceof ImageError && error.code === 'budget_exhausted' ? rejection : error;
    });
    const detail = `a first picture was set aside and another one paid for: ${rejection.message}`;
    const warned = await run.advance((current) => withWarnings(current, [{ code: 'regenerated', detail }]));
    return { ...second, image: warned };
  };
}
