import { type Crop, formatSize } from '../domain/geometry.ts';
import type { Budget, Cost } from '../domain/money.ts';
import type { Caller, CreateImage } from '../domain/request.ts';
import { refuseUnpricedModel } from '../money/budget.ts';
import { estimateCost } from '../money/pricing.ts';
import type { Presets } from '../planning/presets.ts';
import { type RequestDefaults, resolveRequest } from '../planning/resolve-request.ts';
import type { Upstreams } from '../upstream/upstreams.ts';

export interface PreviewDeps {
  readonly upstreams: Upstreams;
  readonly presets: Presets;
  readonly defaults: RequestDefaults;
  readonly budget: Budget;
}

/** What a request would do. */
export interface Preview {
  /** The final prompt. */
  readonly prompt: string;
  readonly requestedSize: string;
  /** Which part of the requested picture becomes the master. */
  readonly crop: Crop;
  readonly parametersDropped: string[];
  /** Of one call to the first provider. */
  readonly cost: Cost;
  /** Those that can make it, in the order in which they are asked. */
  readonly providers: string[];
}

/** Says what a request would do, without calling a provider or writing anything. Raises what `submitImage` would, but for want of room or budget. */
export function previewImage(deps: PreviewDeps, create: CreateImage, caller: Caller): Preview {
  const request = resolveRequest(create, deps.presets, deps.defaults);
  const candidates = deps.upstreams.candidates(request);
  const { call, size, parametersDropped } = candidates[0].plan;
  const cost = estimateCost(call);
  refuseUnpricedModel(deps.budget, caller.name, call.model.id, cost);
  return {
    prompt: call.prompt,
    requestedSize: formatSize(size.requested),
    crop: size.crop,
    parametersDropped: [...parametersDropped],
    cost,
    providers: candidates.map(({ upstream }) => upstream.provider.name),
  };
}
