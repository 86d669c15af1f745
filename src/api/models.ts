/** Models: what the configured providers offer. */

import { z } from 'zod';
import { MASTER_FORMATS, QUALITIES } from '../core/domain/formats.ts';
import { formatSize } from '../core/domain/geometry.ts';
import type { Pricing, SizeRule } from '../core/domain/model.ts';
import type { OfferedModel } from '../core/models/model-list.ts';
import { discriminator } from './fields.ts';

const sizeList = z
  .strictObject({
    kind: z.literal('list'),
    sizes: z.array(z.string()).meta({ examples: [['1024x1024', '1536x1024', '1024x1536']] }),
  })
  .meta({ id: 'ModelSizeList', description: 'These sizes and no other.' });

const sizeRange = z
  .strictObject({
    kind: z.literal('range'),
    sideStep: z.int().meta({ description: 'Both sides are multiples of it, in pixels.', examples: [16] }),
    minSide: z.int().meta({ description: 'Pixels.' }),
    maxSide: z.int().meta({ description: 'Pixels.' }),
    minPixels: z.int().meta({ description: 'Least area.' }),
    maxPixels: z.int().meta({ description: 'Largest area.' }),
    maxRatio: z.number().meta({ description: 'Of the longer side to the shorter one.', examples: [3] }),
  })
  .meta({ id: 'ModelSizeRange', description: 'Every size within these limits.' });

const usd = (description: string) => z.number().meta({ description: `US dollars ${description}` });

const priceSource = {
  asOf: z.string().meta({ format: 'date', description: 'The day on which the prices were read.' }),
  source: z.string().meta({ description: 'Where they were read.' }),
};

const tokenPrices = z
  .strictObject({
    kind: z.literal('tokens'),
    textInputUsdPerMillionTokens: usd('for a million tokens of prompt.'),
    cachedTextInputUsdPerMillionTokens: usd('for a million that were cached; null: as others.').nullable(),
    imageInputUsdPerMillionTokens: usd('for a million tokens of input pictures.'),
    cachedImageInputUsdPerMillionTokens: usd('for a million that were cached; null: as others.').nullable(),
    imageOutputUsdPerMillionTokens: usd('for a million tokens of the picture that is made.'),
    ...priceSource,
  })
  .meta({ id: 'TokenPrices', description: '`POST /images/preview` tells what they come to for one picture.' });

const picturePrice = z
  .strictObject({
    kind: z.literal('picture'),
    usdPerPicture: usd('for one picture, whatever its size and quality.'),
    ...priceSource,
  })
  .meta({ id: 'PicturePrice' });

const modelRecord = z
  .strictObject({
    id: z.string().meta({ description: 'What a request names it by.', examples: ['gpt-image-2'] }),
    sizes: z.discriminatedUnion('kind', [sizeList, sizeRange]).meta({
      ...discriminator('kind', { list: 'ModelSizeList', range: 'ModelSizeRange' }),
      description:
        'What it can be asked for. A request may name any size: the master is cropped from the nearest of these.',
    }),
    qualities: z.array(z.enum(QUALITIES)).nullable().meta({ description: 'Null: it has no such parameter.' }),
    formats: z.array(z.enum(MASTER_FORMATS)).nullable().meta({
      description: 'What it can answer with; null: it has no such parameter. A master is converted where need be.',
    }),
    edits: z
      .strictObject({
        maxInputs: z.int().meta({ description: 'Most input pictures.' }),
        maxInputBytes: z.int().meta({ description: 'Of each.' }),
        maxMaskBytes: z.int(),
      })
      .nullable()
      .meta({ description: 'Limits of pictures to start from; null: it cannot edit.' }),
    prices: z
      .discriminatedUnion('kind', [tokenPrices, picturePrice])
      .meta(discriminator('kind', { tokens: 'TokenPrices', picture: 'PicturePrice' }))
      .nullable()
      .meta({ description: 'Null where none is known.' }),
    shutdownDate: z.string().nullable().meta({
      format: 'date',
      description: 'The first day (UTC) on which the provider no longer serves it; null where none is known.',
    }),
    provider: z.string().meta({ description: 'Who serves it.', examples: ['openai'] }),
    usable: z
      .boolean()
      .meta({ description: 'Whether it can be called now: it is not shut down, and its provider works.' }),
  })
  .meta({ id: 'Model', description: 'A model of one provider. Several providers may offer the same.' });

/** Answer of `GET /models`. */
export const modelList = z.strictObject({ items: z.array(modelRecord) }).meta({ id: 'ModelList' });

/** Makes the list of models. */
export function toModelList(offered: readonly OfferedModel[]): z.output<typeof modelList> {
  return { items: offered.map(toModelRecord) };
}

function toModelRecord({ model, provider, usable }: OfferedModel): z.output<typeof modelRecord> {
  const { id, sizes, qualities, formats, edits, pricing, shutdownDate } = model;
  return {
    id,
    sizes: toSizes(sizes),
    qualities: qualities && [...qualities],
    formats: formats && [...formats],
    edits: edits && { maxInputs: edits.images, maxInputBytes: edits.imageBytes, maxMaskBytes: edits.maskBytes },
    prices: pricing && toPrices(pricing),
    shutdownDate,
    provider,
    usable,
  };
}

function toSizes(rule: SizeRule): z.output<typeof modelRecord>['sizes'] {
  if (rule.kind === 'list') return { kind: 'list', sizes: rule.sizes.map(formatSize) };
  const { kind, step, minSide, maxSide, minPixels, maxPixels, maxRatio } = rule;
  return { kind, sideStep: step, minSide, maxSide, minPixels, maxPixels, maxRatio };
}

function toPrices(pricing: Pricing): z.output<typeof tokenPrices> | z.output<typeof picturePrice> {
  const { date: asOf, source } = pricing;
  if (pricing.kind === 'picture') return { kind: 'picture', usdPerPicture: pricing.usd, asOf, source };
  return {
    kind: 'tokens',
    textInputUsdPerMillionTokens: pricing.textInput,
    cachedTextInputUsdPerMillionTokens: pricing.cachedTextInput,
    imageInputUsdPerMillionTokens: pricing.imageInput,
    cachedImageInputUsdPerMillionTokens: pricing.cachedImageInput,
    imageOutputUsdPerMillionTokens: pricing.imageOutput,
    asOf,
    source,
  };
}
