/** OpenAI's image models, from its model pages, its deprecations page and the types of its SDK 7.57.0, as of 2026-11-26. */

import type { Model, PatchGrid, Pricing, SizeRule } from '../domain/model.ts';

type BuiltInModel = Omit<Model, 'alias'>;

const FLEXIBLE_SIZES: SizeRule = {
  kind: 'range',
  step: 16,
  minSide: 16,
  maxSide: 3840,
  minPixels: 655_360,
  maxPixels: 8_294_400,
  maxRatio: 3,
};

const THREE_SIZES = listOf([1024, 1024], [1536, 1024], [1024, 1536]);

/**
 * Patches along the longer side, by quality: the counts of gpt-image-2, which a public thread read out of OpenAI's calculator. They
 * reproduce OpenAI's published prices per picture and two bills.
 */
const LOW: PatchGrid = { patches: 16, times: 1 };
const MEDIUM: PatchGrid = { patches: 48, times: 1 };
/** Also the bound for every quality whose count is not known. */
const HIGH: PatchGrid = { patches: 96, times: 1 };

/** OpenAI asks the same prices for gpt-image-2, 2.5 and 2.6. Those of 1.5 and 1-mini count as gpt-image-2 until they end. */
const GPT_IMAGE_PRICING = {
  kind: 'tokens',
  textInput: 5,
  cachedTextInput: 1.25,
  imageInput: 8,
  cachedImageInput: 2,
  imageOutput: 30,
  // `auto` may choose `high`.
  outputTokens: { low: LOW, medium: MEDIUM, high: HIGH, auto: HIGH },
  date: '2026-11-26',
  source: "OpenAI's model pages; tokens per picture: OpenAI's calculator, read out by a third party",
} as const satisfies Pricing;

/** Of 2.5 and 2.6 only `low` is known, at 2.6 as three to four times that of 2.5, by third parties. */
const withLow = (low: PatchGrid): Pricing => ({
  ...GPT_IMAGE_PRICING,
  outputTokens: { low, medium: HIGH, high: HIGH, xhigh: HIGH, max: HIGH, auto: HIGH },
});

const GPT_IMAGE = {
  sizes: FLEXIBLE_SIZES,
  qualities: ['auto', 'low', 'medium', 'high'],
  styles: null,
  backgrounds: ['auto', 'transparent', 'opaque'],
  formats: ['png', 'jpeg', 'webp'],
  promptLimit: 32_000,
  maxPictures: 10,
  partialImages: 3,
  options: ['moderation', 'compression', 'safetyIdentifier'],
  edits: { images: 16, imageBytes: 50_000_000, maskBytes: 4_000_000 },
  shutdownDate: null,
  successor: null,
  pricing: GPT_IMAGE_PRICING,
} as const satisfies Omit<BuiltInModel, 'id'>;

/**
 * Later models always look closely at their inputs and refuse `input_fidelity`; gpt-image-1-mini has only `low`, which is what it does
 * without the parameter (types of the SDK 7.57.0).
 */
const WITH_FIDELITY = [...GPT_IMAGE.options, 'inputFidelity'] as const;

const GPT_IMAGE_2_5 = {
  ...GPT_IMAGE,
  qualities: ['auto', 'low', 'medium', 'high', 'xhigh', 'max'],
  pricing: withLow(LOW),
} as const satisfies Omit<BuiltInModel, 'id'>;

const GPT_IMAGE_2_6 = { ...GPT_IMAGE_2_5, pricing: withLow({ ...LOW, times: 4 }) };

const DALL_E = {
  sizes: listOf([1024, 1024], [1792, 1024], [1024, 1792]),
  qualities: ['standard', 'hd'],
  styles: ['vivid', 'natural'],
  backgrounds: null,
  formats: null,
  promptLimit: 4_000,
  maxPictures: 1,
  partialImages: 0,
  options: [],
  edits: null,
  shutdownDate: '2026-05-12',
  successor: 'gpt-image-2',
  pricing: null,
} as const satisfies Omit<BuiltInModel, 'id'>;

/** The rows of the catalog. Retired models stay, so that a request for one is refused with the name of its successor. */
export const BUILT_IN_MODELS: readonly BuiltInModel[] = [
  { ...GPT_IMAGE, id: 'gpt-image-2' },
  { ...GPT_IMAGE_2_5, id: 'gpt-image-2.5-sunburst' },
  { ...GPT_IMAGE_2_5, id: 'gpt-image-2.5-flare' },
  { ...GPT_IMAGE_2_6, id: 'gpt-image-2.6-sunburst' },
  { ...GPT_IMAGE_2_6, id: 'gpt-image-2.6-flare' },
  {
    ...GPT_IMAGE,
    id: 'gpt-image-1.5',
    sizes: THREE_SIZES,
    options: WITH_FIDELITY,
    shutdownDate: '2026-12-01',
    successor: 'gpt-image-2',
  },
  { ...GPT_IMAGE, id: 'gpt-image-1-mini', sizes: THREE_SIZES, shutdownDate: '2026-12-01', successor: 'gpt-image-2' },
  {
    ...GPT_IMAGE,
    id: 'chatgpt-image-latest',
    sizes: THREE_SIZES,
    options: WITH_FIDELITY,
    shutdownDate: '2026-12-01',
    successor: 'gpt-image-2',
  },
  {
    ...GPT_IMAGE,
    id: 'gpt-image-1',
    sizes: THREE_SIZES,
    options: WITH_FIDELITY,
    shutdownDate: '2026-10-23',
    successor: 'gpt-image-2',
  },
  { ...DALL_E, id: 'dall-e-3' },
  {
    ...DALL_E,
    id: 'dall-e-2',
    sizes: listOf([256, 256], [512, 512], [1024, 1024]),
    qualities: null,
    styles: null,
    promptLimit: 1_000,
    maxPictures: 10,
    edits: { images: 1, imageBytes: 4_000_000, maskBytes: 4_000_000 },
  },
];

/** The rule for a model that supports exactly these widths and heights, in pixels. */
function listOf(...sizes: readonly (readonly [number, number])[]): SizeRule {
  return { kind: 'list', sizes: sizes.map(([width, height]) => ({ width, height })) };
}
