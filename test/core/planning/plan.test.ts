import { describe, expect, it } from 'vitest';
import { readConfig } from '../../../src/config/config.ts';
import { ImageError } from '../../../src/core/domain/errors.ts';
import type { Model } from '../../../src/core/domain/model.ts';
import type { ImageRequest } from '../../../src/core/domain/request.ts';
import { BUILT_IN_MODELS } from '../../../src/core/models/built-in-models.ts';
import { CATALOG, unlistedModel } from '../../../src/core/models/catalog.ts';
import { planGeneration } from '../../../src/core/planning/plan.ts';
import { resolveRequest } from '../../../src/core/planning/resolve-request.ts';
import { aRequest } from '../../contracts/record-store/example-images.ts';

const request = (overrides: Partial<ImageRequest> = {}): ImageRequest =>
  aRequest({ model: 'gpt-image-2', size: { width: 1792, height: 1024 }, ...overrides });

function model(id: string): Model {
  return CATALOG.get(id) ?? unlistedModel(id);
}

describe('planGeneration', () => {
  it.each([
    ['sends a supported quality', 'gpt-image-2', { quality: 'high' }, { quality: 'high' }, []],
    [
      'maps the quality of another model generation',
      'gpt-image-2',
      { quality: 'hd' },
      { quality: 'high' },
      ['parameter_mapped'],
    ],
    [
      'maps a quality above the best of the model',
      'gpt-image-2',
      { quality: 'max' },
      { quality: 'high' },
      ['parameter_mapped'],
    ],
    ['sends a quality that only some models have', 'gpt-image-2.5-flare', { quality: 'max' }, { quality: 'max' }, []],
    ['maps a quality for DALL-E', 'dall-e-3', { quality: 'high' }, { quality: 'hd' }, ['parameter_mapped']],
    ['maps auto for DALL-E without a warning', 'dall-e-3', { quality: 'auto' }, { quality: 'standard' }, []],
    ['drops quality where the model has none', 'my-own', { quality: 'low' }, { quality: null }, ['parameter_dropped']],
    ['sends style as a parameter', 'dall-e-3', { style: 'natural' }, { style: 'natural', quality: 'standard' }, []],
    ['writes style into the prompt', 'gpt-image-2', { style: 'vivid' }, { style: null }, ['parameter_dropped']],
    [
      'sends background as a parameter',
      'gpt-image-2',
      { background: 'transparent' },
      { background: 'transparent' },
      [],
    ],
    [
      'writes background into the prompt',
      'my-own',
      { background: 'opaque' },
      { background: null },
      ['parameter_dropped'],
    ],
    [
      'requests the format of the request for an original used unchanged',
      'gpt-image-2',
      { format: 'webp' },
      { format: 'webp' },
      [],
    ],
    ['asks for no partial pictures by itself', 'gpt-image-2', {}, { partialImages: 0 }, []],
    ['asks for the partial pictures of the request', 'gpt-image-2', { partials: 3 }, { partialImages: 3 }, []],
    [
      'asks for none where the model does not stream',
      'dall-e-3',
      { partials: 1 },
      { partialImages: 0, quality: 'standard' },
      ['parameter_dropped'],
    ],
    ['sends no format where the model has none', 'my-own', { format: 'webp' }, { format: null }, []],
    [
      'requests a lossless original before a crop',
      'gpt-image-2',
      { format: 'jpeg', size: { width: 1200, height: 675 } },
      { format: 'png', size: { width: 1216, height: 688 } },
      [],
    ],
  ] as const)('%s', (_, id, overrides, sent, warnings) => {
    const plan = planGeneration(request(overrides), model(id));
    expect(plan.call).toMatchObject(sent);
    expect(plan.warnings.map(({ code }) => code)).toEqual(warnings);
  });

  it('names a dropped parameter, and warns that it was written into the prompt', () => {
    const plan = planGeneration(request({ style: 'vivid' }), model('gpt-image-2'));
    expect(plan.parametersDropped).toEqual(['style']);
    expect(plan.call.prompt).toContain('hyper-real');
    expect(plan.warnings[0]?.detail).toBe('style is not a parameter of gpt-image-2; it was written into the prompt');
  });

  it('names the supported styles where the requested one is not among them', () => {
    const plan = planGeneration(request({ style: 'gouache' }), model('dall-e-3'));
    expect(plan.call).toMatchObject({ style: null, prompt: expect.stringContaining('Style: gouache.') });
    expect(plan.warnings[0]?.detail).toBe(
      'this style is not supported by dall-e-3 (only vivid, natural); it was written into the prompt',
    );
  });

  it('asks for as many partial pictures as the model streams, with a warning where the request wants more', () => {
    const plan = planGeneration(request({ partials: 3 }), { ...model('gpt-image-2'), partialImages: 2 });
    expect(plan.call.partialImages).toBe(2);
    expect(plan.warnings).toEqual([
      { code: 'parameter_mapped', detail: 'partials 3 was mapped to 2, the most that gpt-image-2 streams' },
    ]);
    expect(planGeneration(request({ partials: 3 }), model('my-own')).parametersDropped).toEqual(['partials']);
  });

  it('asks for calm margins where renditions are cropped, as percentages of the requested picture', () => {
    const { call } = planGeneration(
      request({ renditions: [{ width: 500, height: 500, format: 'png' }] }),
      model('gpt-image-2'),
    );
    expect(call.prompt).toContain('22% at the left, 22% at the right');
  });

  it('asks for no margins for the default renditions', () => {
    const renditions = [{ width: 500, height: 500, format: 'png' }] as const;
    const { call } = planGeneration(request({ renditions, hasDefaultRenditions: true }), model('gpt-image-2'));
    expect(call.prompt).toBe(request().prompt);
  });

  it('asks for no margins where the picture is kept whole', () => {
    const renditions = [{ width: 500, height: 500, format: 'png' }] as const;
    const { call } = planGeneration(request({ renditions, crop: 'contain' }), model('gpt-image-1.5'));
    expect(call.prompt).toBe(request().prompt);
  });

  it('warns about an enlargement and refuses one beyond 2', () => {
    const { warnings } = planGeneration(request({ size: { width: 1792, height: 1792 } }), model('gpt-image-1.5'));
    expect(warnings).toEqual([{ code: 'enlarged', detail: 'the master is enlarged 1.75 times from 1024x1024' }]);
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

describe('a plain prompt, with the settings as they come', () => {
  const { defaults } = readConfig({});
  const sentPrompt = (id: string, size: string) => {
    const [width = 0, height = 0] = size.split('x').map(Number);
    const resolved = resolveRequest(
      { prompt: ' x\n', ...(size !== 'default' && { size: { width, height } }) },
      [],
      defaults,
    );
    return planGeneration(resolved, model(id)).call.prompt;
  };
  const SIZES = ['default', '1024x1024', '1024x1536', '1536x1024', '1024x1792'] as const;

  /** What is cut off at two edges where a model makes no picture of the size: every other picture is used whole. */
  const CROPS: Readonly<Record<string, Partial<Record<(typeof SIZES)[number], string>>>> = {
    ...Object.fromEntries(
      ['gpt-image-1.5', 'gpt-image-1-mini', 'chatgpt-image-latest', 'gpt-image-1'].map((id) => [
        id,
        { default: '8% at the top, 8% at the bottom', '1024x1792': '8% at the left, 8% at the right' },
      ]),
    ),
    'dall-e-3': { '1024x1536': '8% at the top, 8% at the bottom', '1536x1024': '8% at the left, 8% at the right' },
    'dall-e-2': {
      default: '22% at the top, 22% at the bottom',
      '1024x1536': '17% at the left, 17% at the right',
      '1536x1024': '17% at the top, 17% at the bottom',
      '1024x1792': '22% at the left, 22% at the right',
    },
  };

  it.each(BUILT_IN_MODELS.map(({ id }) => id))(
    'is sent to %s as it was written, but for a crop of the master',
    (id) => {
      for (const size of SIZES) {
        const crop = CROPS[id]?.[size];
        const margins = `The picture will be cropped by about ${crop}: keep these margins calm and everything important away from them.`;
        expect(sentPrompt(id, size), size).toBe(crop === undefined ? ' x\n' : ` x\n\n${margins}`);
      }
    },
  );
});
