import { z } from 'zod';
import { BACKGROUNDS, MASTER_FORMATS, QUALITIES } from '../domain/formats.ts';
import type { SizeRule } from '../domain/model.ts';
import { CALL_OPTIONS } from '../domain/request.ts';
import { allowedInWords } from '../domain/text/allowed-values.ts';
import type { ModelFacts } from './catalog.ts';

/** The facts of a catalog file by model id, or all issues of the file, each with the path inside it. */
type CatalogFile =
  | { readonly models: ReadonlyMap<string, Partial<ModelFacts>> }
  | { readonly issues: readonly string[] };

/**
 * Parses the content of the file named by `MODEL_CATALOG`: an object of models by id, each with the facts that differ from its built-in
 * row, or from `unlistedModel` where it has none. An issue names the path inside the file and what is allowed there.
 */
export function parseCatalog(json: unknown): CatalogFile {
  const parsed = catalogFile.safeParse(json, { error: allowedInWords });
  if (parsed.success) return { models: new Map(Object.entries(parsed.data)) };
  return { issues: parsed.error.issues.map(describeIssue) };
}

function describeIssue(issue: z.core.$ZodIssue): string {
  const place = issue.path.join('.') || 'the file';
  if (issue.code !== 'unrecognized_keys') return `${place}: ${issue.message}`;
  const unknown = issue.keys.join(', ');
  const known = issue.path.length === 1 ? ` (known fields: ${FACTS.join(', ')})` : '';
  return `${place}: has no field ${unknown}; correct its name or remove it${known}`;
}

const SIZE = /^([1-9]\d{0,4})x([1-9]\d{0,4})$/;
const LARGEST_SIDE = 16_384;

const listedSize = z
  .string()
  .regex(SIZE, 'must be WIDTHxHEIGHT in pixels, such as 1024x1024')
  .transform((text) => {
    const [width = 0, height = 0] = text.split('x').map(Number);
    return { width, height };
  });

type SizeBounds = Omit<Extract<SizeRule, { kind: 'range' }>, 'kind'>;

const side = z.int().min(1).max(LARGEST_SIDE);

const sizeRange = z
  .strictObject({
    step: side.default(1),
    minSide: side,
    maxSide: side,
    minPixels: z.int().min(1).default(1),
    maxPixels: z
      .int()
      .min(1)
      .default(LARGEST_SIDE ** 2),
    maxRatio: z.number().min(1).default(LARGEST_SIDE),
  })
  .refine((bounds: SizeBounds) => hasSizes(bounds), 'no size satisfies all of these bounds: widen them');

/** Whether any size satisfies the bounds. */
function hasSizes({ step, minSide, maxSide, minPixels, maxPixels, maxRatio }: SizeBounds): boolean {
  for (let width = Math.ceil(minSide / step) * step; width <= maxSide; width += step) {
    const least = Math.max(minSide, width / maxRatio, minPixels / width);
    const most = Math.min(maxSide, width * maxRatio, maxPixels / width);
    if (Math.ceil(least / step) * step <= most) return true;
  }
  return false;
}

/** A list of sizes or the bounds of a range. */
const sizes = z
  .union([z.array(listedSize).min(1), sizeRange], {
    error: 'must be a list such as ["1024x1024"], or a rule such as {"step": 16, "minSide": 512, "maxSide": 2048}',
  })
  .transform(
    (value): SizeRule => (Array.isArray(value) ? { kind: 'list', sizes: value } : { kind: 'range', ...value }),
  );

const usd = z.number('must be US dollars, 0 or more').min(0, 'must be US dollars, 0 or more');
const priceSource = {
  date: z.iso.date('must be the day of the price, such as 2026-11-22'),
  source: z.string('must say where the price comes from').min(1),
};

/** Tokens of a 1536x1024 picture, or patches along the longer side. */
const outputTokens = z.union(
  [z.number().min(0), z.strictObject({ patches: z.int().min(1).max(1000), times: z.number().positive().default(1) })],
  {
    error:
      'must be the tokens of a 1536x1024 picture, such as 900, or for models that count like gpt-image-2 ' +
      'the patches of the longer side, such as {"patches": 96}',
  },
);

const pricing = z.discriminatedUnion(
  'kind',
  [
    z.strictObject({ kind: z.literal('picture'), usd, ...priceSource }),
    z.strictObject({
      kind: z.literal('tokens'),
      textInput: usd,
      cachedTextInput: usd.nullable().default(null),
      imageInput: usd.default(0),
      cachedImageInput: usd.nullable().default(null),
      imageOutput: usd,
      outputTokens: z
        .partialRecord(z.enum(QUALITIES), outputTokens)
        .refine((tokens) => tokens.auto !== undefined, 'must have auto, the tokens where no quality is requested'),
      ...priceSource,
    }),
  ],
  { error: 'must have the kind "picture" or "tokens"' },
);

const count = (most: number) => z.int().min(0).max(most);
const names = z.array(z.string().min(1)).min(1).nullable();

const facts = z.strictObject({
  sizes,
  qualities: z.array(z.enum(QUALITIES)).min(1).nullable(),
  styles: names,
  backgrounds: z.array(z.enum(BACKGROUNDS)).min(1).nullable(),
  formats: z.array(z.enum(MASTER_FORMATS)).min(1).nullable(),
  promptLimit: z.int().min(1),
  maxPictures: z.int().min(1).max(100),
  partialImages: count(100),
  options: z.array(z.enum(CALL_OPTIONS)),
  edits: z.strictObject({ images: z.int().min(1), imageBytes: z.int().min(1), maskBytes: count(2 ** 40) }).nullable(),
  shutdownDate: z.iso.date('must be a day such as 2026-12-01, or null').nullable(),
  successor: z.string().min(1).nullable(),
  pricing: pricing.nullable(),
}) satisfies z.ZodType<ModelFacts>;

/** The field names of a catalog row. */
const FACTS = Object.keys(facts.shape);

const catalogFile = z.record(z.string().min(1), facts.partial(), {
  error: 'must be an object of models by id, such as {"dall-e-3": {"shutdownDate": null}}',
}) as z.ZodType<Record<string, Partial<ModelFacts>>>;
