import { isDeepStrictEqual } from 'node:util';
import { writtenRenditions } from '../domain/formats.ts';
import {
  CHANGEABLE_FIELDS,
  type ChangeableFields,
  type ImageRequest,
  PRESET_FIELDS,
  type PresetField,
} from '../domain/request.ts';

/** A field of a request that has a part in the picture, by the name that it has in a request. */
export type PictureField = Exclude<
  keyof ImageRequest,
  keyof ChangeableFields | PresetField | (typeof IRRELEVANT)[number]
>;

/**
 * Fields that make no difference to the picture: whether renditions, size and format were named, or are the default ones, and what is shown
 * meanwhile.
 */
const IRRELEVANT = [
  'hasDefaultRenditions',
  'takesAnyShape',
  'partials',
] as const satisfies readonly (keyof ImageRequest)[];

/** What a request gets from its preset or the settings only, never by itself: it differs where the preset does. */
const FROM_PRESET: ReadonlySet<string> = new Set(PRESET_FIELDS);

/**
 * The fields in which two requests, their defaults resolved, ask for different pictures; requests without any are the same. Labels,
 * metadata, ttlSeconds, webhookUrl and partials do not make the picture, so they never differ. Inputs go by their content, wherever it
 * came from. Pure; the order of keys means nothing.
 */
export function differingFields(one: ImageRequest, other: ImageRequest): readonly PictureField[] {
  const irrelevant = new Set<string>([...CHANGEABLE_FIELDS, ...IRRELEVANT]);
  const fields = Object.keys({ ...one, ...other }) as (keyof ImageRequest)[];
  const differing = fields.filter(
    // A request that was stored before a field existed lacks it.
    (field) => !irrelevant.has(field) && !isDeepStrictEqual(comparable(one, field), comparable(other, field)),
  );
  // Renditions that neither request names follow from the size.
  const derived = one.hasDefaultRenditions && other.hasDefaultRenditions && differing.includes('size');
  const named = derived ? differing.filter((field) => field !== 'renditions') : differing;
  return [...new Set(named.map((field) => (FROM_PRESET.has(field) ? 'preset' : field) as PictureField))];
}

function comparable(request: ImageRequest, field: keyof ImageRequest): unknown {
  if (field === 'inputs') return (request.inputs ?? []).map(({ sha256 }) => sha256);
  if (field === 'references') return request.references?.map(({ sha256, use }) => [sha256, use]) ?? null;
  if (field === 'renditions') return writtenRenditions(request.renditions);
  if (field === 'mask') return request.mask?.sha256 ?? null;
  return request[field] ?? null;
}
