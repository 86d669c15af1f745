import { ImageError } from '../domain/errors.ts';
import { sha256OffLoop } from '../domain/file-names.ts';
import { hasEndedWithoutPicture, type Image, mayStillBring } from '../domain/image.ts';
import { type Budget, type Cost, ZERO_COST } from '../domain/money.ts';
import type { ImageRequest } from '../domain/request.ts';
import { refuseUnpricedModel } from '../money/budget.ts';
import type { Costs } from '../money/costs.ts';
import type { MediaStore } from '../ports/media-store.ts';
import type { Candidate, Upstreams } from '../upstream/upstreams.ts';
import { notRetryable } from './rerun.ts';

/** What running a failed or cancelled image again would cost. */
export interface RetryCost {
  /** The most that one call is expected to cost; of the provider that would be called first. */
  readonly cost: Cost;
  /** Whether a provider would be called: false where a sound original is kept. */
  readonly call: boolean;
  /** Whether calls for the image were or may have been billed. */
  readonly mayBePaidAlready: boolean;
}

/** Estimates a retry of this image; see `Images.retryCost`. */
export type EstimateRetry = (image: Image) => Promise<RetryCost>;

interface RetryCostDeps {
  readonly upstreams: Pick<Upstreams, 'candidates'>;
  readonly store: Pick<MediaStore, 'read'>;
  readonly costs: Pick<Costs, 'estimate'>;
  readonly budget: Budget;
}

const NO_CALL = { cost: ZERO_COST, call: false };

export function createEstimateRetry({ upstreams, store, costs, budget }: RetryCostDeps): EstimateRetry {
  /** Whether the file of a sound original is what was paid for. Where it is lost, a retry calls again. */
  async function isKept({ original }: Image): Promise<boolean> {
    if (!original?.sound) return false;
    const bytes = await store.read(original.name);
    return bytes !== null && (await sha256OffLoop(bytes)) === original.sha256;
  }

  async function estimateCall({ owner }: Image, { plan }: Candidate): Promise<Cost> {
    const cost = await costs.estimate(plan.call);
    refuseUnpricedModel(budget, owner, plan.call.model.id, cost);
    return cost;
  }

  /** What the call would cost, and no call where no provider can make it: the run then fails without one. */
  async function estimateCallIfAny(image: Image): Promise<Pick<RetryCost, 'cost' | 'call'>> {
    try {
      return { cost: await estimateCall(image, firstChoice(upstreams, image.request)), call: true };
    } catch (error) {
      if (error instanceof ImageError && error.code !== 'storage_unavailable') return NO_CALL;
      throw error;
    }
  }

  async function estimate(image: Image): Promise<Pick<RetryCost, 'cost' | 'call'>> {
    if (await isKept(image)) return NO_CALL;
    // A retry is then accepted whatever the providers can make, and calls one only where the picture is not found.
    if (image.original?.sound || image.attempts.some(mayStillBring)) return await estimateCallIfAny(image);
    return { cost: await estimateCall(image, firstChoice(upstreams, image.request)), call: true };
  }

  return async (image) => {
    if (!hasEndedWithoutPicture(image)) throw notRetryable(image);
    return { ...(await estimate(image)), mayBePaidAlready: mayBePaid(image) };
  };
}

/** The provider that would be called first: one whose circuit breaker lets calls through, else the first that can make the picture. */
function firstChoice(upstreams: Pick<Upstreams, 'candidates'>, request: ImageRequest): Candidate {
  const candidates = upstreams.candidates(request);
  return candidates.find(({ upstream }) => upstream.breaker.waitMs() === 0) ?? candidates[0];
}

/** True where a call has an unknown outcome, or cost something: one that is known not to be billed costs nothing. */
function mayBePaid({ attempts, cost }: Image): boolean {
  return cost.usd !== 0 || attempts.some(({ outcome }) => outcome === 'unknown');
}
