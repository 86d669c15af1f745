import { createHash } from 'node:crypto';
import { ImageError } from '../domain/errors.ts';
import type { CropStrategy, Quality, RenditionSpec } from '../domain/formats.ts';
import { haveSameShape, type Size } from '../domain/geometry.ts';
import type { Brief, CreateImage, ImageRequest } from '../domain/request.ts';
import { currentPresets, findPreset, type Presets, presetId } from './presets.ts';
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
  const preset = create.preset === undefined ? null : findPreset(presets, create.preset);
  if (create.preset !== undefined && preset === null) {
    throw new ImageError('invalid_request', `there is no preset ${create.preset}`, {
      paths: [{ path: 'preset', message: `one of ${currentPresets(presets).map(presetId).join(', ')}` }],
    });
  }
  const crop = preset?.crop ?? defaults.crop;
  const size = create.size ?? preset?.size ?? defaults.size;
  const namedRenditions = create.renditions ?? preset?.renditions;
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
    renditions: namedRenditions ?? defaults.renditions.filter((rendition) => haveSameShape(rendition, size)),
    ...(namedRenditions === undefined && { hasDefaultRenditions: true }),
    // Omitted when `centre`: requests stored before there were crop strategies keep their fingerprint.
    ...(crop === 'centre' ? {} : { crop }),
    ...(preset?.checks && { checks: preset.checks }),
    metadata: create.metadata ?? {},
    labels: [...new Set(create.labels)].sort(),
    ttlSeconds: create.ttlSeconds ?? null,
    webhookUrl: create.webhookUrl ?? null,
  };
  if (request.background === 'transparent' && request.format === 'jpeg') {
    throw new ImageError('unsupported_parameter', 'a jpeg cannot be transparent', {
      paths: [{ path: 'format', message: 'png or webp with a transparent background' }],
    });
  }
  // Only renditions of the request itself: default renditions must not rule out a small master.
  const paths = oversizedRenditions(request.size, create.renditions ?? []);
  if (paths.length > 0) {
    throw new ImageError('unsupported_parameter', 'a rendition is too large for its master', { paths });
  }
  return request;
}

/** The brief of a request with a preset: the caller's parts replace the preset's, except that `avoid` joins both lists. */
export function mergeBriefs(preset: Brief | null, caller: Brief | null): Brief | null {
  if (preset === null || caller === null) return caller ?? preset;
  const avoid = [...new Set([...(preset.avoid ?? []), ...(caller.avoid ?? [])])]
    // A caller's `text` wins over a preset that avoids text in the picture.
    .filter((thing) => !(caller.text && (thing === 'text' || thing === 'letters')));
  const { avoid: _, ...merged } = { ...preset, ...caller };
  return avoid.length > 0 ? { ...merged, avoid } : merged;
}

/** Increased when an equal request would be serialised differently. Fingerprints of different versions are never equal. */
const FINGERPRINT_VERSION = 1;

/** Version and SHA-256 of a request's canonical JSON: equal for requests that mean the same, whatever the order of their keys. */
export function fingerprint({ hasDefaultRenditions: _, ...request }: ImageRequest): string {
  return `${FINGERPRINT_VERSION}:${createHash('sha256').update(canonicalJson(request)).digest('hex')}`;
}

/** JSON with the keys of every object in code unit order. */
function canonicalJson(value: unknown): string {
  return JSON.stringify(value, (_key, part: unknown) =>
    typeof part === 'object' && part !== null && !Array.isArray(part)
      ? Object.fromEntries(Object.entries(part).sort(([a], [b]) => (a < b ? -1 : 1)))
      : part,
  );
}
