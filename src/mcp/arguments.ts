/** Arguments of the tools: the fields of the API that make sense for an agent, and their JSON Schema. */

import { z } from 'zod';
import { createImage } from '../api/create-image.ts';
import { nonBlankText } from '../api/fields.ts';
import { listQuery } from '../api/image-list.ts';
import { imageStatus } from '../api/image-record.ts';
import { namedInput } from '../api/inputs.ts';

/** Without a webhook, which an agent cannot receive, and partial pictures, which it would not be shown. */
const {
  inputs: _inputs,
  mask,
  webhookUrl: _webhookUrl,
  partials: _partials,
  mediaId: _mediaId,
  ...fields
} = createImage.shape;
const { mediaId: inputMediaId, url } = namedInput.in.shape;

const mediaId = nonBlankText.max(128).meta({ description: 'The picture, by the mediaId that a tool gave.' });
/** Without the pattern, which looks ahead: some clients have no such regular expressions. */
const newMediaId = nonBlankText
  .max(128)
  .nullish()
  .meta({
    description:
      'Names the picture: lower-case letters, digits, `.`, `_` and `-`. The same call again with it pays nothing, and gives the picture ' +
      'that is there. Left out, one is made.',
    examples: ['article-42-hero'],
  });

/** A picture that a call brings. A path of this machine is none of the ways: an agent reads the file, and sends it as data. */
const givenPicture = z
  .strictObject({
    mediaId: inputMediaId.nullish(),
    url: url.nullish(),
    data: z.string().nullish().meta({
      description: 'Its bytes, as a base64 data URL such as `data:image/png;base64,…`; up to 32 MiB in one call.',
    }),
  })
  .meta({ description: 'A picture, named in exactly one way: `mediaId`, `url` or `data`.' });
export type GivenPicture = z.input<typeof givenPicture>;

const givenInputs = z
  .array(givenPicture)
  .min(1)
  .max(64)
  .meta({ description: 'Pictures to start from, in order: what to change, or references such as a logo or a style.' });
const givenMask = givenPicture.meta({ description: mask.meta()?.description });

const previewArguments = z.strictObject({ inputs: givenInputs.nullish(), mask: givenMask.nullish(), ...fields });
/** What to make, as an agent writes it. */
export type PictureArguments = z.input<typeof previewArguments> & { readonly mediaId?: string | null | undefined };

/** The arguments of every tool. */
export const ARGUMENTS = {
  generate_image: z.strictObject({ mediaId: newMediaId, ...fields }),
  edit_image: z.strictObject({ inputs: givenInputs, mask: givenMask.nullish(), mediaId: newMediaId, ...fields }),
  preview_image: previewArguments,
  get_image: z.strictObject({ mediaId }),
  list_images: z.strictObject({
    status: z.array(imageStatus).nullish().meta({ description: 'Only those with one of these.' }),
    label: z
      .array(nonBlankText.max(64))
      .max(16)
      .nullish()
      .meta({ description: 'Only those with one of these labels.' }),
    preset: listQuery.shape.preset.nullish(),
    q: listQuery.shape.q.nullish(),
    createdAfter: z.string().nullish().meta(metaOf('createdAfter')),
    createdBefore: z.string().nullish().meta(metaOf('createdBefore')),
    limit: z.int().min(1).max(100).nullish().meta({ description: 'Most to give, 1 to 100; 20 where it is left out.' }),
    cursor: listQuery.shape.cursor.nullish(),
  }),
  delete_image: z.strictObject({ mediaId }),
  list_presets: z.strictObject({}),
} as const;
export type ToolName = keyof typeof ARGUMENTS;
/** The arguments of a tool as a call brings them. */
export type Arguments<Name extends ToolName> = z.input<(typeof ARGUMENTS)[Name]>;

function metaOf(name: 'createdAfter' | 'createdBefore') {
  return { description: listQuery.shape[name].meta()?.description };
}

interface JsonSchema {
  readonly [key: string]: unknown;
}

/**
 * The JSON Schema of a tool's arguments, as plain as clients need it: an object without unions at its top, nothing behind `$ref`, and no
 * null for what may be left out.
 */
export function argumentSchema(tool: ToolName): JsonSchema {
  const { $defs, $schema: _, ...schema } = z.toJSONSchema(ARGUMENTS[tool], { io: 'input', unrepresentable: 'any' });
  return plain(schema, ($defs ?? {}) as JsonSchema) as JsonSchema;
}

function plain(value: unknown, definitions: JsonSchema): unknown {
  if (Array.isArray(value)) return value.map((item) => plain(item, definitions));
  if (typeof value !== 'object' || value === null) return value;
  const { $ref, anyOf, id: _, ...given } = value as JsonSchema;
  const rest = Array.isArray(given.type) ? { ...given, type: given.type.find((type) => type !== 'null') } : given;
  if (typeof $ref === 'string') {
    return { ...(plain(definitions[$ref.replace('#/$defs/', '')], definitions) as JsonSchema), ...rest };
  }
  const kept = Object.fromEntries(Object.entries(rest).map(([key, item]) => [key, plain(item, definitions)]));
  if (!Array.isArray(anyOf)) return kept;
  const ways = anyOf.filter((way: JsonSchema) => way.type !== 'null').map((way) => plain(way, definitions));
  return ways.length === 1 ? { ...(ways[0] as JsonSchema), ...kept } : { ...kept, anyOf: ways };
}
