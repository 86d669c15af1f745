/** Presets: named defaults for kinds of images. */

import { z } from 'zod';
import { CHECK_MODES, forEachCheck } from '../core/domain/checks.ts';
import { BACKGROUNDS, CROPS, MASTER_FORMATS, QUALITIES } from '../core/domain/formats.ts';
import { formatSize } from '../core/domain/geometry.ts';
import { forEachBriefPart } from '../core/domain/request.ts';
import { type Preset, presetId } from '../core/planning/presets.ts';

const part = z.string().exactOptional();
const parts = z.array(z.string()).readonly().exactOptional();

/** A preset's brief: used for the parts that the request's brief leaves out. */
const presetBrief = z.strictObject(forEachBriefPart(part, parts)).meta({
  id: 'PresetBrief',
  description: "Defaults for the parts of the brief; unwanted things add up to the caller's.",
});

const mode = z.enum(CHECK_MODES).exactOptional();

const presetChecks = z.strictObject(forEachCheck(() => mode)).meta({
  id: 'PresetChecks',
  description: 'What becomes of pictures that do not pass a check; those that are not named, as configured.',
  examples: [{ entropy: 'off' }],
});

const presetReference = z
  .strictObject({
    file: z.string().meta({ description: "Path beside the presets' file.", examples: ['brand/logo.png'] }),
    use: z
      .string()
      .meta({ description: 'How it is to be used.', examples: ["the brand's logo, small at the lower right"] }),
    width: z.int().meta({ description: 'Pixels.' }),
    height: z.int().meta({ description: 'Pixels.' }),
  })
  .meta({ id: 'PresetReference', description: "A picture that the model is sent after the request's inputs." });

const presetRecord = z
  .strictObject({
    id: z.string().meta({ description: 'What a record names it by.', examples: ['article-hero@1'] }),
    name: z.string().meta({ description: 'What a request names it by.', examples: ['article-hero'] }),
    version: z.int().meta({ description: 'Goes up when the same request would make another picture.' }),
    description: z.string(),
    size: z.string().meta({ description: 'Of the master.', examples: ['1792x1024'] }),
    renditions: z.array(z.string()).meta({ examples: [['1200x675.png']] }),
    checks: presetChecks,
    crop: z.enum(CROPS).exactOptional().meta({ description: 'Absent: as configured with `CROP`.' }),
    quality: z.enum(QUALITIES),
    background: z.enum(BACKGROUNDS),
    format: z.enum(MASTER_FORMATS),
    brief: presetBrief,
    references: z.array(presetReference).meta({
      description:
        'In the order in which they are sent. They count in the limits of the model, which has to be one that edits.',
    }),
    require: z.array(z.string()).meta({ description: 'What every picture must have.' }),
    forbid: z.array(z.string()).meta({ description: 'What no picture may have.' }),
    example: z
      .strictObject({ preset: z.string(), brief: z.strictObject({ subject: z.string() }) })
      .meta({ description: 'A body for `POST /images`.' }),
  } satisfies Record<keyof PresetRecord, z.ZodType>)
  .meta({
    id: 'Preset',
    description: 'A named set of defaults. What the request says wins over it.',
  }) satisfies z.ZodType<PresetRecord>;

/** Answer of `GET /presets`. */
export const presetList = z.strictObject({ items: z.array(presetRecord) }).meta({ id: 'PresetList' });

/** Makes the list of presets. */
export function toPresetList(presets: readonly Preset[]): { items: PresetRecord[] } {
  return { items: presets.map(toPresetRecord) };
}

/** A preset, written as requests write it, with an example request. */
export type PresetRecord = ReturnType<typeof toPresetRecord>;

function toPresetRecord(preset: Preset) {
  const { name, version, description, size, renditions, checks, crop, quality, background, format, brief } = preset;
  const { references = [], require = [], forbid = [] } = preset;
  return {
    id: presetId(preset),
    name,
    version,
    description,
    size: formatSize(size),
    renditions: renditions.map((rendition) => `${formatSize(rendition)}.${rendition.format}`),
    checks: checks ?? {},
    ...(crop !== undefined && { crop }),
    quality,
    background,
    format,
    brief,
    references: references.map(({ file, use, width, height }) => ({ file, use, width, height })),
    require: [...require],
    forbid: [...forbid],
    example: { preset: name, brief: { subject: preset.example } },
  };
}
