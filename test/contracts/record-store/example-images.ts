import type { Attempt, Image, MediaFile } from '../../../src/core/domain/image.ts';
import type { ImageRequest } from '../../../src/core/domain/request.ts';

/** Milliseconds since 1970, `seconds` after the beginning of 2026 (UTC). */
export function ms(seconds: number): number {
  return Date.UTC(2026) + seconds * 1000;
}

/** ISO 8601 time, `seconds` after the beginning of 2026. */
export function at(seconds: number): string {
  return new Date(ms(seconds)).toISOString();
}

/** A queued image without renditions, with `overrides` applied. */
export function anImage(overrides: Partial<Image> = {}): Image {
  return {
    mediaId: 'image',
    status: 'queued',
    run: 1,
    owner: 'anonymous',
    idempotencyKey: null,
    request: aRequest(),
    prompt: 'a lighthouse at dusk',
    provider: 'placeholder',
    model: 'placeholder',
    requestedSize: { width: 64, height: 64 },
    revisedPrompt: null,
    allowanceFrom: 1,
    attempts: [],
    original: null,
    master: null,
    renditions: [],
    pending: [],
    thumbhash: null,
    dominantColour: null,
    checks: [],
    cost: { usd: 0, basis: 'none' },
    estimate: { usd: 0, basis: 'none' },
    warnings: [],
    createdAt: at(0),
    requestedAt: overrides.createdAt ?? at(0),
    completedAt: null,
    expiresAt: null,
    error: null,
    ...overrides,
  };
}

export function aRequest(overrides: Partial<ImageRequest> = {}): ImageRequest {
  return {
    prompt: 'a lighthouse at dusk',
    brief: null,
    preset: null,
    model: 'placeholder',
    provider: null,
    size: { width: 64, height: 64 },
    quality: 'auto',
    style: null,
    background: 'auto',
    format: 'png',
    renditions: [],
    metadata: {},
    labels: [],
    ttlSeconds: null,
    webhookUrl: null,
    ...overrides,
  };
}

export function anAttempt(id: string): Attempt {
  return {
    id,
    run: 1,
    provider: 'placeholder',
    model: 'placeholder',
    startedAt: at(0),
    durationMs: null,
    outcome: 'unknown',
    httpStatus: null,
    providerRequestId: null,
    cost: { usd: 0, basis: 'estimate' },
    announced: null,
  };
}

export function aFile(name: string, bytes: number): MediaFile {
  return { name, bytes, width: 64, height: 64, format: 'png', sha256: name };
}
