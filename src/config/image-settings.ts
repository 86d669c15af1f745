/** Settings of pictures: models, defaults of requests, renditions, quality checks, provenance. */

import { z } from 'zod';
import {
  CHECK_MODES,
  CHECK_NAMES,
  CHECKS,
  type CheckName,
  type CheckPolicy,
  forEachCheck,
} from '../core/domain/checks.ts';
import { CROPS, QUALITIES, RENDITION_FORMATS, type RenditionFormat } from '../core/domain/formats.ts';
import { type Catalog, createCatalog, type ModelFacts } from '../core/models/catalog.ts';
import { renditionText, SIDE_LIMITS, sizeText } from '../core/planning/notation.ts';
import type { RequestDefaults } from '../core/planning/resolve-request.ts';
import { choice, flag, list, type SettingsOf, taking } from './setting-types.ts';

/** `dall-e-3=gpt-image-2`: a name, and the model to use for it. */
const alias = z
  .string()
  .regex(/^[^=\s]+=[^=\s]+$/, 'must be NAME=MODEL, commas between, such as dall-e-3=gpt-image-2')
  .transform((text) => text.split('=') as [string, string]);

type CheckVariable = `CHECK_${Uppercase<CheckName>}`;
const checkVariable = (name: CheckName) => `CHECK_${name.toUpperCase()}` as CheckVariable;
const checkSetting = (name: CheckName) =>
  choice(CHECK_MODES).default(CHECKS[name].defaultMode).describe(`${CHECKS[name].finds}.`);

/** A variable for every check. */
const checkSettings = Object.fromEntries(
  CHECK_NAMES.map((name) => [checkVariable(name), checkSetting(name)]),
) as Readonly<Record<CheckVariable, ReturnType<typeof checkSetting>>>;

const deferredFormat = choice([...RENDITION_FORMATS, 'none']);

/** `png,avif`, or `none`. */
const deferred = {
  allowed: `${RENDITION_FORMATS.join(', ')}, or none`,
  schema: list(deferredFormat)
    .refine((formats) => formats.length === 1 || !formats.includes('none'), 'must be none alone, or formats')
    .transform((formats) => formats.filter((format) => format !== 'none')),
};

const SIDES = `each side ${SIDE_LIMITS.min} to ${SIDE_LIMITS.max} pixels`;
/** As many as a request may name. */
const MAX_RENDITIONS = 8;

export const modelSettings = {
  IMAGE_MODEL: z.string().default('gpt-image-2').describe('Model where the request names none.'),
  MODEL_CATALOG: z
    .string()
    .optional()
    .describe('JSON file of models and prices that replace or join the built-in ones.'),
  MODEL_ALIASES: list(alias)
    .optional()
    .describe('Models to use in place of those that are asked for, such as `dall-e-3=gpt-image-2`; commas between.'),
} as const;

export const imageSettings = {
  IMAGE_SIZE: taking(`WIDTHxHEIGHT, ${SIDES}`, sizeText)
    .prefault('1792x1024')
    .describe('Size of the master where neither request nor preset sets one.'),
  IMAGE_QUALITY: choice(QUALITIES).default('auto').describe('Quality where neither request nor preset sets one.'),
  IMAGE_RENDITIONS: taking(
    `at most ${MAX_RENDITIONS}, ${SIDES}`,
    list(renditionText).refine(
      ({ length }) => length <= MAX_RENDITIONS,
      `must be at most ${MAX_RENDITIONS} renditions`,
    ),
  )
    .prefault('1200x675.png')
    .describe(
      'Renditions of masters of their own shape (within 5%), where neither request nor preset sets any; commas between.',
    ),
  PRESETS: z
    .string()
    .optional()
    .describe('JSON file with presets of your own, beside or in place of the built-in ones.'),
  CROP: choice(CROPS)
    .default('centre')
    .describe(
      'How a picture of another shape becomes the one asked for, where the preset does not set it: cut around ' +
        'the middle (`centre`), around what draws the eye (`attention`) or has most detail (`entropy`), or kept ' +
        'whole on a plain background (`contain`).',
    ),
  CROP_GROUND: taking(
    '#rrggbb or transparent',
    z.string().regex(/^(#[0-9a-f]{6}|transparent)$/i, 'must be #rrggbb or transparent'),
  )
    .default('#ffffff')
    .describe('Background of pictures with `contain`: `#rrggbb` or `transparent` (white in a jpeg).'),
  DEFERRED_RENDITIONS: taking(deferred.allowed, deferred.schema)
    .prefault('avif')
    .describe(
      'Formats of renditions that are made after the picture is answered, and are `pending` until then; commas between, or `none`.',
    ),
  ...checkSettings,
  REGENERATE_ON_REJECT: flag
    .default(false)
    .describe('Pay for one more try when a picture is rejected, within `RETRY_MAX_ATTEMPTS`.'),
} as const;

export const provenanceSettings = {
  C2PA_CERT: z
    .string()
    .optional()
    .describe(
      'PEM file of the certificate that files are signed with as Content Credentials, its issuers after it. With `C2PA_KEY`.',
    ),
  C2PA_KEY: z.string().optional().describe('PEM file of its private key: P-256, P-384, Ed25519 or RSA.'),
  EMBED_PROMPT: flag.default(false).describe('Also write the prompt into the files, as XMP, for everyone to read.'),
} as const;

export interface ImageConfig {
  /** Used where neither the request nor its preset sets a value. */
  readonly defaults: RequestDefaults;
  /** The built-in models, those of `MODEL_CATALOG` laid over them, and the aliases. */
  readonly catalog: Catalog;
  /** Ids of models, by alias. */
  readonly aliases: ReadonlyMap<string, string>;
  readonly checks: CheckPolicy;
  /** Colour that `contain` fills the rest of a picture with: `#rrggbb` or `transparent`. */
  readonly containBackground: string;
  /** Options of a job. */
  readonly pipeline: {
    /** True to write the prompt into the files. */
    readonly embedPrompt: boolean;
    /** True to make one more paid call when a picture is rejected. */
    readonly regenerateOnReject: boolean;
    /** Formats whose renditions are made after the request was answered. */
    readonly deferredFormats: readonly RenditionFormat[];
  };
}

/** Groups the settings of pictures. `models`: those of `MODEL_CATALOG`. */
export function imageConfig(
  settings: SettingsOf<typeof modelSettings & typeof imageSettings & typeof provenanceSettings>,
  models: ReadonlyMap<string, Partial<ModelFacts>>,
): ImageConfig {
  const aliases = new Map(settings.MODEL_ALIASES);
  return {
    defaults: {
      model: settings.IMAGE_MODEL,
      size: settings.IMAGE_SIZE,
      quality: settings.IMAGE_QUALITY,
      renditions: settings.IMAGE_RENDITIONS,
      crop: settings.CROP,
    },
    catalog: createCatalog({ models, aliases }),
    aliases,
    checks: forEachCheck((name) => settings[checkVariable(name)]),
    containBackground: settings.CROP_GROUND,
    pipeline: {
      embedPrompt: settings.EMBED_PROMPT,
      regenerateOnReject: settings.REGENERATE_ON_REJECT,
      deferredFormats: settings.DEFERRED_RENDITIONS,
    },
  };
}
