import { describe, expect, it } from 'vitest';
import type { CreateImage, ImageRequest } from '../../../src/core/domain/request.ts';
import { BUILT_IN_PRESETS } from '../../../src/core/planning/built-in-presets.ts';
import { differingFields } from '../../../src/core/planning/differing-fields.ts';
import { type RequestDefaults, resolveRequest } from '../../../src/core/planning/resolve-request.ts';

const defaults: RequestDefaults = {
  model: 'gpt-image-2',
  size: { width: 1792, height: 1024 },
  quality: 'auto',
  renditions: [{ width: 1200, height: 675, format: 'png' }],
  crop: 'centre',
};
const resolve = (create: CreateImage) => resolveRequest(create, BUILT_IN_PRESETS, defaults);
const plain = resolve({ prompt: 'x' });

describe('the same request', () => {
  it.each<[string, CreateImage, CreateImage]>([
    [
      'with a default written out',
      { prompt: 'x' },
      { prompt: 'x', size: { width: 1792, height: 1024 }, quality: 'auto' },
    ],
    [
      'with its keys in another order',
      { brief: { subject: 'x', mood: 'y' }, style: 'vivid' },
      { style: 'vivid', brief: { mood: 'y', subject: 'x' } },
    ],
    ['with the version of its preset named', { prompt: 'x', preset: 'icon' }, { prompt: 'x', preset: 'icon@1' }],
    ['with another mediaId', { prompt: 'x', mediaId: 'a' }, { prompt: 'x', mediaId: 'b' }],
    ['with partial pictures to stream', { prompt: 'x' }, { prompt: 'x', partials: 2 }],
    [
      'with what does not make the picture',
      { prompt: 'x' },
      { prompt: 'x', labels: ['a'], metadata: { a: '1' }, ttlSeconds: 60, webhookUrl: 'https://hooks.example/x' },
    ],
  ])('is known %s', (_, one, other) => {
    expect(differingFields(resolve(one), resolve(other))).toEqual([]);
    // As it comes out of a database.
    expect(differingFields(JSON.parse(JSON.stringify(resolve(one))), resolve(other))).toEqual([]);
  });

  it('is known although it was stored before a field existed', () => {
    const { style: _, ...stored } = plain;
    expect(differingFields(stored as ImageRequest, plain)).toEqual([]);
    expect(differingFields(stored as ImageRequest, { ...plain, style: 'vivid' })).toEqual(['style']);
  });
});

describe('another request', () => {
  it.each<[CreateImage, readonly string[]]>([
    [{ prompt: 'y' }, ['prompt']],
    [{ brief: { subject: 'x' } }, ['prompt', 'brief']],
    [{ prompt: 'x', size: { width: 1024, height: 1792 } }, ['size']],
    [{ prompt: 'x', renditions: [] }, ['renditions']],
    [{ prompt: 'x', style: 'vivid', quality: 'high', labels: ['a'] }, ['quality', 'style']],
    [{ prompt: 'x', model: 'gpt-image-1', provider: 'openai' }, ['model', 'provider']],
    [{ prompt: 'x', format: 'webp', background: 'opaque' }, ['background', 'format']],
    [{ prompt: 'x', preset: 'product' }, ['background', 'brief', 'preset', 'quality', 'renditions', 'size']],
  ])('%j differs in %j', (other, fields) => {
    expect([...differingFields(plain, resolve(other))].sort()).toEqual([...fields].sort());
    expect([...differingFields(resolve(other), plain)].sort()).toEqual([...fields].sort());
  });

  it('differs in its preset, once, where that crops or checks otherwise', () => {
    const other: ImageRequest = { ...plain, crop: 'contain', checks: { entropy: 'off' } };
    expect(differingFields(plain, other)).toEqual(['preset']);
  });
});
