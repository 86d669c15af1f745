import type { Model, Pricing, SizeRule } from '../domain/model.ts';

// Facts from OpenAI's model pages, deprecations page and the types of its SDK 7.57.0, as of 2026-11-22.
// Rows of retired models stay: a request for one gets an answer that names the successor.

/** What a row says, apart from how it is found. */
export type ModelFacts = Omit<Model, 'id' | 'alias'>;

type ListedModel = ModelFacts & { readonly id: string };

const FLEXIBLE_SIZES: SizeRule = {
  kind: 'range',
  step: 16,
  minSide: 16,
  maxSide: 3840,
  minPixels: 655_360,
  maxPixels: 8_294_400,
  maxRatio: 3,
};

const THREE_SIZES: SizeRule = {
  kind: 'list',
  sizes: [
    { width: 1024, height: 1024 },
    { width: 1536, height: 1024 },
    { width: 1024, height: 1536 },
  ],
};

const GPT_IMAGE_PRICING: Pricing = {
  kind: 'tokens',
  textInput: 5,
  cachedTextInput: null,
  imageInput: 8,
  imageOutput: 30,
  // `low` and `high` are a third party's measurement. No figure is known between them, so `medium` counts as `high`;
  // `auto` may choose `high`. An estimate bounds what a call can cost, so it errs upwards.
  outputTokens: { low: 664, medium: 1353, high: 1353, auto: 1353 },
  date: '2026-11-22',
  source: "OpenAI's model page; tokens per picture: third-party measurement",
};

const GPT_IMAGE = {
  sizes: FLEXIBLE_SIZES,
  qualities: ['auto', 'low', 'medium', 'high'],
  styles: null,
  backgrounds: ['auto', 'transparent', 'opaque'],
  formats: ['png', 'jpeg', 'webp'],
  promptLimit: 32_000,
  maxPictures: 10,
  partialImages: 3,
  edits: { images: 16, imageBytes: 50_000_000, maskBytes: 4_000_000 },
  shutdownDate: null,
  successor: null,
  pricing: GPT_IMAGE_PRICING,
} as const satisfies ModelFacts;

const GPT_IMAGE_EXTENDED_QUALITY = {
  ...GPT_IMAGE,
  qualities: ['auto', 'low', 'medium', 'high', 'xhigh', 'max'],
} as const satisfies ModelFacts;

const DALL_E = {
  sizes: {
    kind: 'list',
    sizes: [
      { width: 1024, height: 1024 },
      { width: 1792, height: 1024 },
      { width: 1024, height: 1792 },
    ],
  },
  qualities: ['standard', 'hd'],
  styles: ['vivid', 'natural'],
  backgrounds: null,
  formats: null,
  promptLimit: 4_000,
  maxPictures: 1,
  partialImages: 0,
  edits: null,
  shutdownDate: '2026-05-12',
  successor: 'gpt-image-2',
  pricing: null,
} as const satisfies ModelFacts;

const MODELS: readonly ListedModel[] = [
  { ...GPT_IMAGE, id: 'gpt-image-2' },
  { ...GPT_IMAGE_EXTENDED_QUALITY, id: 'gpt-image-2.5-sunburst' },
  { ...GPT_IMAGE_EXTENDED_QUALITY, id: 'gpt-image-2.5-flare' },
  { ...GPT_IMAGE_EXTENDED_QUALITY, id: 'gpt-image-2.6-sunburst' },
  { ...GPT_IMAGE_EXTENDED_QUALITY, id: 'gpt-image-2.6-flare' },
  { ...GPT_IMAGE, id: 'gpt-image-1.5', sizes: THREE_SIZES, shutdownDate: '2026-12-01', successor: 'gpt-image-2' },
  { ...GPT_IMAGE, id: 'gpt-image-1-mini', sizes: THREE_SIZES, shutdownDate: '2026-12-01', successor: 'gpt-image-2' },
  {
    ...GPT_IMAGE,
    id: 'chatgpt-image-latest',
    sizes: THREE_SIZES,
    shutdownDate: '2026-12-01',
    successor: 'gpt-image-2',
  },
  { ...GPT_IMAGE, id: 'gpt-image-1', sizes: THREE_SIZES, shutdownDate: '2026-10-23', successor: 'gpt-image-2' },
  { ...DALL_E, id: 'dall-e-3' },
  {
    ...DALL_E,
    id: 'dall-e-2',
    sizes: {
      kind: 'list',
      sizes: [
        { width: 256, height: 256 },
        { width: 512, height: 512 },
        { width: 1024, height: 1024 },
      ],
    },
    qualities: null,
    styles: null,
    promptLimit: 1_000,
    maxPictures: 10,
    edits: { images: 1, imageBytes: 4_000_000, maskBytes: 4_000_000 },
  },
];

/** Models by the names that they can be asked for by. */
export type Catalog = ReadonlyMap<string, Model>;

/** What the operator adds to the catalog. */
export interface CatalogAdditions {
  /** Models by id: facts that replace those of a built-in row, or that make a new one. */
  readonly models: ReadonlyMap<string, Partial<ModelFacts>>;
  /** The name that is asked for, and the id of the model that it stands for. */
  readonly aliases: ReadonlyMap<string, string>;
}

/** The built-in rows with the operator's on top. An alias stands before a row of its own name; where it leads nowhere, it has none. */
export function createCatalog({ models, aliases }: CatalogAdditions): Catalog {
  const rows = new Map<string, Model>(MODELS.map((model) => [model.id, { ...model, alias: null }]));
  for (const [id, facts] of models) rows.set(id, { ...(rows.get(id) ?? unlistedModel(id)), ...facts });
  const aliased = [...aliases].flatMap(([alias, id]) => {
    const model = rows.get(id);
    return model ? [[alias, { ...model, alias }] as const] : [];
  });
  return new Map([...rows, ...aliased]);
}

/** The models that Easel knows by itself. */
export const CATALOG = createCatalog({ models: new Map(), aliases: new Map() });

/**
 * The row for a model that only the operator's own server knows: nothing is sent that such servers
 * are known to refuse, and the size is the only wish that is.
 */
export function unlistedModel(id: string): Model {
  return {
    id,
    alias: null,
    sizes: {
      kind: 'range',
      step: 16,
      minSide: 64,
      maxSide: 4096,
      minPixels: 64 * 64,
      maxPixels: 4096 * 4096,
      maxRatio: 64,
    },
    qualities: null,
    styles: null,
    backgrounds: null,
    formats: null,
    promptLimit: 32_000,
    maxPictures: 1,
    partialImages: 0,
    edits: null,
    shutdownDate: null,
    successor: null,
    pricing: null,
  };
}
