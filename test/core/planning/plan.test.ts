import { describe, expect, it } from 'vitest';
import { ImageError } from '../../../src/core/domain/errors.ts';
import type { Model } from '../../../src/core/domain/model.ts';
import type { ImageRequest } from '../../../src/core/domain/request.ts';
import { CATALOG, unlistedModel } from '../../../src/core/models/catalog.ts';
import { planGeneration, refuseOversizedRenditions } from '../../../src/core/planning/plan.ts';

const request = (some: Partial<ImageRequest> = {}): ImageRequest => ({
  prompt: 'a lighthouse',
  brief: null,
  preset: null,
  model: 'gpt-image-2',
  provider: null,
  size: { width: 1792, height: 1024 },
  quality: 'auto',
  style: null,
  background: 'auto',
  format: 'png',
  renditions: [],
  metadata: {},
  labels: [],
  ttlSeconds: null,
  webhookUrl: null,
  ...some,
});

function model(id: string): Model {
  return CATALOG.get(id) ?? unlistedModel(id);
}

describe('planGeneration', () => {
  it.each([
    ['quality kept', 'gpt-image-2', { quality: 'high' }, { quality: 'high' }, []],
    ['quality of another generation', 'gpt-image-2', { quality: 'hd' }, { quality: 'high' }, ['parameter_mapped']],
    ['quality above what there is', 'gpt-image-2', { quality: 'max' }, { quality: 'high' }, ['parameter_mapped']],
    ['quality there is', 'gpt-image-2.5-flare', { quality: 'max' }, { quality: 'max' }, []],
    ['quality for DALL-E', 'dall-e-3', { quality: 'high' }, { quality: 'hd' }, ['parameter_mapped']],
    ['auto for DALL-E, silently', 'dall-e-3', { quality: 'auto' }, { quality: 'standard' }, []],
    ['quality unknown to the server', 'my-own', { quality: 'low' }, { quality: null }, ['parameter_dropped']],
    ['style as a parameter', 'dall-e-3', { style: 'natural' }, { style: 'natural', quality: 'standard' }, []],
    ['style into the prompt', 'gpt-image-2', { style: 'vivid' }, { style: null }, ['parameter_dropped']],
    ['background', 'gpt-image-2', { background: 'transparent' }, { background: 'transparent' }, []],
    ['background into the prompt', 'my-own', { background: 'opaque' }, { background: null }, ['parameter_dropped']],
    ['format asked for where it fits', 'gpt-image-2', { format: 'webp' }, { format: 'webp' }, []],
    ['format where the server has none', 'my-own', { format: 'webp' }, { format: null }, []],
    [
      'no loss before a crop',
      'gpt-image-2',
      { format: 'jpeg', size: { width: 1200, height: 675 } },
      { format: 'png', size: { width: 1216, height: 688 } },
      [],
    ],
  ] as const)('%s', (_, id, asked, sent, warnings) => {
    const plan = planGeneration(request(asked), model(id));
    expect(plan.call).toMatchObject(sent);
    expect(plan.warnings.map(({ code }) => code)).toEqual(warnings);
  });

  it('names what it dropped and says where it went', () => {
    const plan = planGeneration(request({ style: 'vivid' }), model('gpt-image-2'));
    expect(plan.parametersDropped).toEqual(['style']);
    expect(plan.call.prompt).toContain('hyper-real');
    expect(plan.warnings[0]?.detail).toBe('style is not a parameter of gpt-image-2; it was written into the prompt');
  });

  it('advises on the crop of the renditions too, in shares of the picture that is requested', () => {
    const { call } = planGeneration(
      request({ renditions: [{ width: 500, height: 500, format: 'png' }] }),
      model('gpt-image-2'),
    );
    expect(call.prompt).toContain('22% at the left, 22% at the right');
  });

  it('warns of an enlargement and refuses one beyond 2', () => {
    const warned = planGeneration(request({ size: { width: 1792, height: 1792 } }), model('gpt-image-1.5'));
    expect(warned.warnings).toEqual([{ code: 'enlarged', detail: 'the master is enlarged 1.75 times from 1024x1024' }]);
    expect(() => planGeneration(request({ size: { width: 2100, height: 2100 } }), model('gpt-image-1.5'))).toThrow(
      expect.objectContaining({ code: 'unsupported_parameter', paths: [expect.objectContaining({ path: 'size' })] }),
    );
  });

  it('refuses a prompt over the limit, counting characters and not UTF-16 units', () => {
    expect(() => planGeneration(request({ prompt: 'x'.repeat(32_001) }), model('gpt-image-2'))).toThrow(ImageError);
    expect(planGeneration(request({ prompt: '🌊'.repeat(32_000) }), model('gpt-image-2')).call.prompt).toHaveLength(
      64_000,
    );
  });
});

describe('refuseTinyMaster', () => {
  it('names each rendition that would be enlarged more than twice', () => {
    const renditions = [
      { width: 100, height: 100 },
      { width: 201, height: 201 },
    ];
    expect(() => refuseOversizedRenditions({ width: 100, height: 100 }, renditions)).toThrow(
      expect.objectContaining({
        paths: [{ path: 'renditions.1', message: '201x201 is more than 2 times the master, 100x100' }],
      }),
    );
    expect(() => refuseOversizedRenditions({ width: 101, height: 101 }, renditions)).not.toThrow();
  });
});
