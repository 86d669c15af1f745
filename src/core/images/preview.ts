import { type Crop, formatSize } from '../domain/geometry.ts';
import type { Budget, Cost } from '../domain/money.ts';
import type { Caller, CreateImage, ImageRequest } from '../domain/request.ts';
import type { TakeInputs } from '../inputs/intake.ts';
import { refuseUnpricedModel } from '../money/budget.ts';
import type { Costs } from '../money/costs.ts';
import type { Upstreams } from '../upstream/upstreams.ts';

/** What a request would do. */
export interface Preview {
  /** The final prompt, as the provider would receive it. */
  readonly prompt: string;
  /** The size asked of the provider, such as `1216x688`. */
  readonly requestedSize: string;
  /** Which part of the requested picture becomes the master, in its pixels. */
  readonly crop: Crop;
  readonly parametersDropped: string[];
  /** Of one call to the first provider. */
  readonly cost: Cost;
  /** Providers that can make the picture, first choice first. */
  readonly providers: string[];
}

/** Plans a request, see `createPreview`. */
export type PreviewImage = (create: CreateImage, caller: Caller) => Promise<Preview>;

interface PreviewDeps {
  readonly upstreams: Pick<Upstreams, 'candidates'>;
  /** Fills in presets and defaults. */
  readonly resolve: (create: CreateImage) => ImageRequest;
  readonly takeInputs: TakeInputs;
  readonly costs: Pick<Costs, 'estimate'>;
  readonly budget: Budget;
}

/**
 * Plans a request without calling a provider or writing anything.
 * Raises the errors of submitting it, except those for lack of room, budget or a working provider.
 */
export function createPreview({ upstreams, resolve, takeInputs, costs, budget }: PreviewDeps): PreviewImage {
  return async (create, caller) => {
    using inputs = await takeInputs(create, resolve(create), caller);
    const candidates = upstreams.candidates(inputs.request);
    const { call, size, parametersDropped } = candidates[0].plan;
    const cost = await costs.estimate(call);
    refuseUnpricedModel(budget, caller.name, call.model.id, cost);
    return {
      prompt: call.prompt,
      requestedSize: formatSize(size.requested),
      crop: size.crop,
      parametersDropped: [...parametersDropped],
      cost,
      providers: candidates.map(({ upstream }) => upstream.provider.name),
    };
  };
}
