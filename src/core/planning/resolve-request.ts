import { createHash } from 'node:crypto';
import { ImageError } from '../domain/errors.ts';
import type { CropStrategy, Quality, RenditionSpec } from '../domain/formats.ts';
import type { Size } from '../domain/geometry.ts';
import type { CreateImage, ImageRequest } from '../domain/request.ts';
import { refuseOversizedRenditions } from './plan.ts';
import { currentPresets, findPreset, mergeBriefs, type Presets, presetId } from './presets.ts';

/** What holds where neither the request nor its preset says anything. */
export interface RequestDefaults {
  readonly model: string;
  readonly size: Size;
  readonly quality: Quality;
  readonly renditions: readonly RenditionSpec[];
  readonly crop: CropStrategy;
}

/**
 * Fills in every default: the caller's word first, then the preset's, then the configured one.
 * Raises `invalid_request` for a preset that does not exist and `unsupported_parameter` for parts that exclude each other.
 */
export function resolveRequest(create: CreateImage, presets: Presets, defaults: RequestDefaults): ImageRequest {
  const preset = create.preset === undefined ? null : findPreset(presets, create.preset);
  if (create.preset !== undefined && preset === null) {
    throw new ImageError('invalid_request', `there is no preset ${create.preset}`, {
      paths: [{ path: 'preset', message: `one of ${currentPresets(presets).map(presetId).join(', ')}` }],
    });
  }
  const crop = preset?.crop ?? defaults.crop;
  const request: ImageRequest = {
    prompt: create.prompt ?? null,
    brief: mergeBriefs(preset?.brief ?? null, create.brief ?? null),
    preset: preset && presetId(preset),
    model: create.model ?? defaults.model,
    provider: create.provider ?? null,
    size: create.size ?? preset?.size ?? defaults.size,
    quality: create.quality ?? preset?.quality ?? defaults.quality,
    style: create.style ?? null,
    background: create.background ?? preset?.background ?? 'auto',
    format: create.format ?? preset?.format ?? 'png',
    renditions: create.renditions ?? preset?.renditions ?? defaults.renditions,
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
  if (create.renditions) refuseOversizedRenditions(request.size, create.renditions);
  return request;
}

/** Goes up when the same request would be written differently; a fingerprint of another version is never equal. */
const FINGERPRINT_VERSION = 1;

/** Equal for requests that mean the same: defaults are resolved, and the order of keys does not count. */
export function fingerprint(request: ImageRequest): string {
  return `${FINGERPRINT_VERSION}:${createHash('sha256').update(canonicalJson(request)).digest('hex')}`;
}

function canonicalJson(value: unknown): string {
  return JSON.stringify(value, (_key, part: unknown) =>
    typeof part === 'object' && part !== null && !Array.isArray(part)
      ? Object.fromEntries(Object.entries(part).sort(([a], [b]) => (a < b ? -1 : 1)))
      : part,
  );
}
