import type { Background, MasterFormat, Quality } from './formats.ts';
import type { Size } from './geometry.ts';
import type { CallOptionName } from './request.ts';

/**
 * The sizes that a model supports, in pixels: a list, or every size within bounds whose sides are multiples of `step`.
 * `maxRatio` bounds the longer side over the shorter one.
 */
export type SizeRule =
  | { readonly kind: 'list'; readonly sizes: readonly Size[] }
  | {
      readonly kind: 'range';
      readonly step: number;
      readonly minSide: number;
      readonly maxSide: number;
      readonly minPixels: number;
      readonly maxPixels: number;
      readonly maxRatio: number;
    };

/** A row of the catalog. Null means that the model has no such parameter. */
export interface Model {
  readonly id: string;
  /** The alias by which the model was requested; null for its own id. */
  readonly alias: string | null;
  readonly sizes: SizeRule;
  readonly qualities: readonly Quality[] | null;
  readonly styles: readonly string[] | null;
  readonly backgrounds: readonly Background[] | null;
  readonly formats: readonly MasterFormat[] | null;
  /** Longest prompt, in characters (Unicode code points). */
  readonly promptLimit: number;
  /** Most pictures that one call can return (`n`). */
  readonly maxPictures: number;
  /** Most partial pictures that it streams; 0 for a model that does not stream. */
  readonly partialImages: number;
  /** The options of a call that it takes; others are not sent. */
  readonly options: readonly CallOptionName[];
  /** Limits on the inputs of an edit; null for a model that cannot edit. */
  readonly edits: EditLimits | null;
  /** First day (YYYY-MM-DD, UTC) on which the provider no longer serves it; null where none is known. */
  readonly shutdownDate: string | null;
  /** Id of the model to use instead. */
  readonly successor: string | null;
  /** Null where no price is known. */
  readonly pricing: Pricing | null;
}

export interface EditLimits {
  /** Most input pictures. */
  readonly images: number;
  /** Most bytes of each input picture, and of the mask (a PNG with alpha, of the first picture's size). */
  readonly imageBytes: number;
  readonly maskBytes: number;
}

export type Pricing = TokenPricing | PicturePricing;

/** Where prices come from, and the day (YYYY-MM-DD) on which they were read there. */
interface PriceSource {
  readonly date: string;
  readonly source: string;
}

/** US dollars per million tokens, and what a picture of each quality takes. */
export interface TokenPricing extends PriceSource {
  readonly kind: 'tokens';
  readonly textInput: number;
  /** Null where no separate price is known; cached tokens then cost as much as others of their kind. */
  readonly cachedTextInput: number | null;
  readonly imageInput: number;
  readonly cachedImageInput: number | null;
  readonly imageOutput: number;
  readonly outputTokens: Partial<Record<Quality, OutputTokens>>;
}

/**
 * The output tokens of a picture: by a grid of patches, as OpenAI's models count them, or as a number, the tokens of a picture of
 * 1,572,864 pixels (1536x1024), in proportion to the area.
 */
export type OutputTokens = PatchGrid | number;

/** A grid of patches that covers the picture; `core/money/pricing.ts` has the formula. */
export interface PatchGrid {
  /** Patches along the longer side. */
  readonly patches: number;
  /** Factor on the formula's result. */
  readonly times: number;
}

/** US dollars per picture, whatever its size and quality. */
interface PicturePricing extends PriceSource {
  readonly kind: 'picture';
  readonly usd: number;
}

/** Parameters of a call that a server compatible with OpenAI's image API may lack, by their names in that API. */
export const OMITTABLE_PARAMETERS = [
  'size',
  'n',
  'quality',
  'style',
  'background',
  'output_format',
  'output_compression',
  'moderation',
  'input_fidelity',
  'safety_identifier',
] as const;
export type OmittableParameter = (typeof OMITTABLE_PARAMETERS)[number];
