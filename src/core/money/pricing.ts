import type { Quality } from '../domain/formats.ts';
import type { Size } from '../domain/geometry.ts';
import type { OutputTokens, Pricing, TokenPricing } from '../domain/model.ts';
import { type Cost, microdollarsToUsd, roundToMicrodollar, type TokenUsage, UNKNOWN_COST } from '../domain/money.ts';
import type { GenerationCall } from '../ports/provider.ts';

/** What an estimate depends on. */
export type PricedCall = Pick<GenerationCall, 'model' | 'prompt' | 'size' | 'quality' | 'partialImages' | 'edit'>;

/** Pixels of the picture that a token count without a grid refers to. */
const REFERENCE_PIXELS = 1536 * 1024;

/** Output tokens of each partial picture of a stream, by a third party's reading of OpenAI's image guide. */
const TOKENS_PER_PARTIAL = 100;

/**
 * Bytes of UTF-8 per text token, set low so that an estimate is too high rather than too low: a token of English text is about four bytes
 * (OpenAI's rule of thumb), one of Chinese about three.
 */
const BYTES_PER_TOKEN = 3;

/**
 * Text tokens that an edit is billed for each input beside the prompt's, by a third party's bills
 * (https://community.openai.com/t/vision-pricing-calculator-inaccurate-resizing-rounding-vs-api-costs/1281361).
 */
const TEXT_TOKENS_PER_INPUT = 32;

/**
 * An upper bound of what a call will cost, by the prices of the catalog; `unknown` where the catalog has none.
 * `largestOutput` is the most output tokens that a call like this one has taken so far: it raises the bound of the catalog, and never
 * lowers it.
 */
export function estimateCost(call: PricedCall, largestOutput = 0): Cost {
  const { pricing } = call.model;
  if (pricing === null) return UNKNOWN_COST;
  if (pricing.kind === 'picture') return { usd: roundToMicrodollar(pricing.usd), basis: 'estimate' };
  const bound = outputBound(call);
  if (bound === null) return UNKNOWN_COST;
  const inputs = picturesOf(call);
  const text = Math.ceil(Buffer.byteLength(call.prompt) / BYTES_PER_TOKEN) + inputs.length * TEXT_TOKENS_PER_INPUT;
  const images = inputs.map(inputTokens).reduce((sum, tokens) => sum + tokens, 0);
  const output = Math.max(bound, largestOutput);
  // Tokens times US dollars per million tokens are microdollars; rounded up, so that the sum stays a bound.
  const microUsd = text * pricing.textInput + images * pricing.imageInput + output * pricing.imageOutput;
  return { usd: microdollarsToUsd(Math.ceil(microUsd)), basis: 'estimate' };
}

/**
 * What a call did cost, by the provider's token counts. Where there are none, or they are implausible, it is what was `reserved` for the
 * call, so that a picture without a count never takes more of the budget than was held back.
 */
export function settleCost({ model }: Pick<PricedCall, 'model'>, usage: TokenUsage | null, reserved: Cost): Cost {
  const { pricing } = model;
  if (!usage || !isPlausible(usage) || !isTokenPricing(pricing)) return reserved;
  const { textInput, imageInput, cachedInput, output, svg } = usage;
  // The providers do not say which tokens were cached. Text saves less, so the cost is not set too low.
  const cachedText = Math.min(cachedInput, textInput);
  const cachedImage = Math.min(cachedInput - cachedText, imageInput);
  const sum =
    (textInput - cachedText) * pricing.textInput +
    cachedText * (pricing.cachedTextInput ?? pricing.textInput) +
    (imageInput - cachedImage) * pricing.imageInput +
    cachedImage * (pricing.cachedImageInput ?? pricing.imageInput) +
    output * pricing.imageOutput +
    svgMicrodollars(pricing, svg);
  return { usd: microdollarsToUsd(sum), basis: 'usage' };
}

/** Authoring an SVG is billed beside the picture. Its prices are not published, so the dearest known ones of the model count. */
function svgMicrodollars({ textInput, imageInput, imageOutput }: TokenPricing, svg: TokenUsage['svg']): number {
  return svg ? svg.input * Math.max(textInput, imageInput) + svg.output * imageOutput : 0;
}

/**
 * The most output tokens of a call by the catalog, partial pictures included; null where the catalog has no count for its quality, or
 * no price per token.
 */
export function outputBound(call: Omit<PricedCall, 'prompt'>): number | null {
  const { model, size, partialImages } = call;
  if (!isTokenPricing(model.pricing)) return null;
  const count = model.pricing.outputTokens[qualityOf(call)];
  return count === undefined ? null : pictureTokens(count, size) + partialImages * TOKENS_PER_PARTIAL;
}

/** The quality that a call asks for: a call that names none leaves the choice to the model. */
export function qualityOf({ quality }: Pick<PricedCall, 'quality'>): Quality {
  return quality ?? 'auto';
}

/**
 * Output tokens of one picture. The formula of the grid is that of OpenAI's calculator for gpt-image-2, as a public thread read it out
 * (https://community.openai.com/t/livestream-starting-now-chatgpt-images-2-0/1379464). Wide pictures take less than square ones.
 */
function pictureTokens(count: OutputTokens, { width, height }: Size): number {
  const pixels = width * height;
  if (typeof count === 'number') return Math.ceil((count * pixels) / REFERENCE_PIXELS);
  const { patches, times } = count;
  const shorter = Math.round((patches * Math.min(width, height)) / Math.max(width, height));
  return Math.ceil(times * Math.ceil((patches * shorter * (2_000_000 + pixels)) / 4_000_000));
}

/**
 * An upper bound of the image tokens of one input picture. How the present models count is not published. gpt-image-1 takes 65 tokens,
 * 129 for each tile of a picture whose shorter side is 512, and up to 6,240 more at high input fidelity (OpenAI's guide); the newer
 * models take about 1,024 for 1024x1024, a token for each patch of 32x32 (third parties' bills). The bound is the larger of the two.
 */
function inputTokens({ width, height }: Size): number {
  const tiles = Math.ceil(Math.max(width, height) / Math.min(width, height));
  const patches = Math.ceil(width / 32) * Math.ceil(height / 32);
  return Math.max(65 + 129 * tiles + 6_240, patches);
}

/** The pictures of an edit. Whether a mask is billed as an input is not published, so it counts as one. */
function picturesOf({ edit }: Pick<PricedCall, 'edit'>): readonly Size[] {
  return edit ? [...edit.inputs, ...(edit.mask ? [edit.mask] : [])] : [];
}

function isTokenPricing(pricing: Pricing | null): pricing is TokenPricing {
  return pricing?.kind === 'tokens';
}

/** Some compatible servers report zero tokens, which would make their pictures free without notice. */
export function isPlausible({ textInput, cachedInput, imageInput, output, svg }: TokenUsage): boolean {
  const counts = [textInput, cachedInput, imageInput, output, svg?.input ?? 0, svg?.output ?? 0];
  return output > 0 && counts.every((count) => count >= 0 && count < 1e9);
}
