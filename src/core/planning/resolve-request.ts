import { isDeepStrictEqual } from 'node:util';
import { ImageError } from '../domain/errors.ts';
import type { CropStrategy, Quality, RenditionSpec } from '../domain/formats.ts';
import { haveSameShape, type Size } from '../domain/geometry.ts';
import { type Brief, type CreateImage, distinctLabels, type ImageRequest } from '../domain/request.ts';
import { currentPresets, findPreset, type Preset, type Presets, presetId } from './presets.ts';
import { oversizedRenditions } from './size-negotiation.ts';

/** The configured defaults, for what neither the request nor its preset specifies. */
export interface RequestDefaults {
  readonly model: string;
  readonly size: Size;
  readonly quality: Quality;
  /** For masters of their own shape only. */
  readonly renditions: readonly RenditionSpec[];
  readonly crop: CropStrategy;
}

/**
 * Resolves every default: the request wins over its preset, the preset over the configured defaults.
 * Raises `invalid_request` for an unknown preset and `unsupported_parameter` for parameters that exclude each other.
 */
export function resolveRequest(create: CreateImage, presets: Presets, defaults: RequestDefaults): ImageRequest {
  const presetName = create.preset ?? null;
  const preset = presetName === null ? null : findPreset(presets, presetName);
  if (presetName !== null && preset === null) {
    throw new ImageError('invalid_request', `there is no preset ${presetName}`, {
      paths: [{ path: 'preset', message: `one of ${currentPresets(presets).map(presetId).join(', ')}` }],
    });
  }
  const crop = preset?.crop ?? defaults.crop;
  const size = create.size ?? preset?.size ?? defaults.size;
  const areNamed = (create.renditions ?? preset?.renditions) !== undefined;
  const defaultRenditions =
    preset?.renditions ?? defaults.renditions.filter((rendition) => haveSameShape(rendition, size));
  const request: ImageRequest = {
    prompt: create.prompt ?? null,
    brief: mergeBriefs(preset?.brief ?? null, create.brief ?? null),
    preset: preset && presetId(preset),
    model: create.model ?? defaults.model,
    provider: create.provider ?? null,
    size,
    quality: create.quality ?? preset?.quality ?? defaults.quality,
    style: create.style ?? null,
    background: create.background ?? preset?.background ?? 'auto',
    format: create.format ?? preset?.format ?? 'png',
    renditions: create.renditions ?? defaultRenditions,
    ...(!areNamed && { hasDefaultRenditions: true }),
    ...(create.takesAnyShape && { takesAnyShape: true }),
    ...(create.options != null && { options: create.options }),
    ...(create.partials != null && create.partials > 0 && { partials: create.partials }),
    // Omitted when `centre`, so that requests that were stored before there were crop strategies are the same.
    ...(crop === 'centre' ? {} : { crop }),
    ...(preset?.checks && { checks: preset.checks }),
    ...(preset && brandFields(preset)),
    metadata: create.metadata ?? {},
    labels: distinctLabels(create.labels),
    ttlSeconds: create.ttlSeconds ?? null,
    webhookUrl: create.webhookUrl ?? null,
  };
  if (request.background === 'transparent' && request.format === 'jpeg') {
    throw new ImageError('unsupported_parameter', 'a jpeg cannot be transparent', {
      paths: [{ path: 'format', message: 'png or webp with a transparent background' }],
    });
  }
  // Default renditions must not rule out a small master, nor where a record's request is sent again, which spells them out.
  const areDefaults = isDeepStrictEqual(request.renditions, defaultRenditions);
  const paths = areDefaults ? [] : oversizedRenditions(request.size, request.renditions);
  if (paths.length > 0) {
    throw new ImageError('unsupported_parameter', 'a rendition is too large for its master', { paths });
  }
  return request;
}

/** The look that the preset gives every picture. Of its references the content counts, not the files' names. */
function brandFields({ references, require, forbid }: Preset): Pick<ImageRequest, 'references' | 'require' | 'forbid'> {
  return {
    ...(references && { references: references.map(({ file: _, ...reference }) => reference) }),
    ...(require && { require }),
    ...(forbid && { forbid }),
  };
}

/** The brief of a request with a preset: the caller's parts replace the preset's, except that `avoid` joins both lists. */
export function mergeBriefs(preset: Brief | null, caller: Brief | null): Brief | null {
  if (preset === null || caller === null) return caller ?? preset;
  const { avoid: _, ...merged } = { ...preset, ...caller };
  const avoid = [...new Set([...(preset.avoid ?? []), ...(caller.avoid ?? [])])]
    // Text that the picture is to show wins over a preset that avoids text. This holds for the result too, when it is sent again.
    .filter((thing) => !(merged.text && (thing === 'text' || thing === 'letters')));
  return avoid.length > 0 ? { ...merged, avoid } : merged;
}
