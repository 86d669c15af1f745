import { isDeepStrictEqual } from 'node:util';
import { CHANGEABLE_FIELDS, type ChangeableFields, type ImageRequest } from '../domain/request.ts';

/** A field of a request that has a part in the picture, by the name that it has in a request. */
export type PictureField = Exclude<
  keyof ImageRequest,
  keyof ChangeableFields | 'crop' | 'checks' | (typeof IRRELEVANT)[number]
>;

/** Fields that make no difference to the picture: whether a rendition was named, or is made by default, and what is shown meanwhile. */
const IRRELEVANT = ['hasDefaultRenditions', 'partials'] as const satisfies readonly (keyof ImageRequest)[];

/** What a request gets from its preset or the settings only, never by itself: it differs where the preset does. */
const FROM_PRESET: ReadonlySet<string> = new Set(['crop', 'checks'] satisfies (keyof ImageRequest)[]);

/**
 * The fields in which two requests, their defaults resolved, ask for different pictures; requests without any are the same. Labels,
 * metadata, ttlSeconds, webhookUrl and partials do not make the picture, so they never differ. Pure; the order of keys means nothing.
 */
export function differingFields(one: ImageRequest, other: ImageRequest): readonly PictureField[] {
  const irrelevant = new Set<string>([...CHANGEABLE_FIELDS, ...IRRELEVANT]);
  const fields = Object.keys({ ...one, ...other }) as (keyof ImageRequest)[];
  const differing = fields.filter(
    // A request that was stored before a field existed lacks it.
    (field) => !irrelevant.has(field) && !isDeepStrictEqual(one[field] ?? null, other[field] ?? null),
  );
  // Renditions that neither request names follow from the size.
  const derived = one.hasDefaultRenditions && other.hasDefaultRenditions && differing.includes('size');
  const named = derived ? differing.filter((field) => field !== 'renditions') : differing;
  return [...new Set(named.map((field) => (FROM_PRESET.has(field) ? 'preset' : field) as PictureField))];
}
