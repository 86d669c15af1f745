import { type Crop, coverCrop, enlargement, formatSize, type Size } from '../domain/geometry.ts';
import type { SizeRule } from '../domain/model.ts';

/** How a picture of the target size is made with a model: request `requested`, keep `crop` of it, scale that by `scale`. */
export interface SizePlan {
  /** A size that the model supports. */
  readonly requested: Size;
  /** In pixels of `requested`, centred, with the aspect ratio of the target. */
  readonly crop: Crop;
  /** Target over crop: above 1 the picture is enlarged. */
  readonly scale: number;
}

/**
 * Finds the size to request from a model: the target itself where the model supports it, else the size that enlarges least.
 * Of sizes that enlarge equally, the one that wastes the fewest pixels wins, cropped or surplus: calls are billed by pixels.
 */
export function negotiateSize(target: Size, rule: SizeRule): SizePlan {
  // Fast path: the target itself is best, and comparing thousands of candidates takes time.
  if (isLegalSize(target, rule)) return { requested: target, crop: { left: 0, top: 0, ...target }, scale: 1 };
  const plans = candidates(target, rule)
    .filter((size) => isLegalSize(size, rule))
    .map((requested) => {
      const crop = coverCrop(requested, target);
      return { requested, crop, scale: enlargement(crop, target) };
    });
  // Shrinking loses nothing, so all scales up to 1 are equally good. The tolerance keeps rounding from deciding.
  const least = Math.min(...plans.map(({ scale }) => Math.max(1, scale)));
  const [best] = plans
    .filter(({ scale }) => scale <= least + 1e-3)
    .map((plan) => ({ plan, waste: waste(plan, target) }))
    .sort((a, b) => a.waste - b.waste);
  if (best === undefined) throw new RangeError('no size satisfies the size rule');
  return best.plan;
}

/** Whether a model with this rule supports this size. */
export function isLegalSize(size: Size, rule: SizeRule): boolean {
  if (rule.kind === 'list') {
    return rule.sizes.some(({ width, height }) => width === size.width && height === size.height);
  }
  const [short, long] = size.width < size.height ? [size.width, size.height] : [size.height, size.width];
  const pixels = size.width * size.height;
  return (
    size.width % rule.step === 0 &&
    size.height % rule.step === 0 &&
    short >= rule.minSide &&
    long <= rule.maxSide &&
    long <= short * rule.maxRatio &&
    pixels >= rule.minPixels &&
    pixels <= rule.maxPixels
  );
}

/**
 * Candidate sizes, which include the best of all legal ones: every width in the rule's range, each with the heights next to the
 * target's aspect ratio and to the rule's bounds. Some may break the rule.
 */
function candidates(target: Size, rule: SizeRule): readonly Size[] {
  if (rule.kind === 'list') return rule.sizes;
  const { step } = rule;
  const down = (pixels: number) => Math.floor(pixels / step) * step;
  const up = (pixels: number) => Math.ceil(pixels / step) * step;
  const sizes: Size[] = [];
  for (let width = up(rule.minSide); width <= rule.maxSide; width += step) {
    const proportional = (width * target.height) / target.width;
    const heights = new Set([
      down(proportional),
      up(proportional),
      up(rule.minSide),
      down(rule.maxSide),
      up(width / rule.maxRatio),
      down(width * rule.maxRatio),
      up(rule.minPixels / width),
      down(rule.maxPixels / width),
    ]);
    for (const height of heights) sizes.push({ width, height });
  }
  return sizes;
}

/** How much a cropped pixel weighs against a surplus one: a larger picture used whole beats a smaller one that loses a strip. */
const CROP_WEIGHT = 4;

/** Requested pixels per target pixel, plus a penalty for the share that the crop removes. */
function waste({ requested, crop }: SizePlan, target: Size): number {
  const pixels = requested.width * requested.height;
  const surplus = pixels / (target.width * target.height);
  const lost = 1 - (crop.width * crop.height) / pixels;
  return surplus + CROP_WEIGHT * lost * Math.max(1, surplus);
}

/** A picture may be enlarged up to this factor, with a warning; beyond it the result would be visibly soft. */
export const MAX_ENLARGEMENT = 2;

/** The renditions that would enlarge their master beyond `MAX_ENLARGEMENT`, as issues with a path such as `renditions.0`. */
export function oversizedRenditions(
  master: Size,
  renditions: readonly Size[],
): readonly { readonly path: string; readonly message: string }[] {
  return renditions.flatMap((rendition, index) => {
    if (enlargement(coverCrop(master, rendition), rendition) <= MAX_ENLARGEMENT) return [];
    const message = `${formatSize(rendition)} is more than ${MAX_ENLARGEMENT} times the master, ${formatSize(master)}`;
    return [{ path: `renditions.${index}`, message }];
  });
}
