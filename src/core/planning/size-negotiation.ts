import { type Crop, coverCrop, enlargement, type Size } from '../domain/geometry.ts';
import type { SizeRule } from '../domain/model.ts';

/** How a picture of the size asked for is had from a model: ask for `requested`, keep `crop` of it, scale by `scale`. */
export interface SizePlan {
  readonly requested: Size;
  /** In pixels of `requested`, centred, of the same shape as the size asked for. */
  readonly crop: Crop;
  /** Size asked for over crop: above 1 the picture is enlarged. */
  readonly scale: number;
}

/**
 * Finds the size to ask a model for: the very size where the model takes it, else the one that enlarges least,
 * and of those the one that wastes the fewest pixels on the crop and on sheer size (pixels are what a call costs).
 */
export function negotiateSize(asked: Size, rule: SizeRule): SizePlan {
  // Nothing is better than the size itself, and looking for it among thousands is what costs.
  if (isLegalSize(asked, rule)) return { requested: asked, crop: { left: 0, top: 0, ...asked }, scale: 1 };
  const plans = candidates(asked, rule)
    .filter((size) => isLegalSize(size, rule))
    .map((requested) => {
      const crop = coverCrop(requested, asked);
      return { requested, crop, scale: enlargement(crop, asked) };
    });
  // Shrinking loses nothing, so all scales up to 1 are equally good; the tolerance keeps rounding from deciding.
  const least = Math.min(...plans.map(({ scale }) => Math.max(1, scale)));
  const [best] = plans
    .filter(({ scale }) => scale <= least + 1e-3)
    .map((plan) => ({ plan, waste: waste(plan, asked) }))
    .sort((a, b) => a.waste - b.waste);
  if (best === undefined) throw new RangeError('a size rule that no size can keep');
  return best.plan;
}

/** Whether a model with this rule takes this size. */
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

/** Every width the rule allows, each with the heights at which something changes: the shape asked for and the rule's bounds. */
function candidates(asked: Size, rule: SizeRule): readonly Size[] {
  if (rule.kind === 'list') return rule.sizes;
  const { step } = rule;
  const down = (pixels: number) => Math.floor(pixels / step) * step;
  const up = (pixels: number) => Math.ceil(pixels / step) * step;
  const sizes: Size[] = [];
  for (let width = up(rule.minSide); width <= rule.maxSide; width += step) {
    const shape = (width * asked.height) / asked.width;
    const heights = new Set([
      down(shape),
      up(shape),
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

/**
 * Pixels asked for per pixel wanted, and what the crop throws away counted four times over: a slightly dearer picture
 * that is used whole beats a cheaper one of which a strip is lost.
 */
function waste({ requested, crop }: SizePlan, asked: Size): number {
  const pixels = requested.width * requested.height;
  const lost = 1 - (crop.width * crop.height) / pixels;
  return pixels / (asked.width * asked.height) + 4 * lost * Math.max(1, pixels / (asked.width * asked.height));
}
