import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { QUALITIES } from '../../../src/core/domain/formats.ts';
import type { Model, OutputTokens, TokenPricing } from '../../../src/core/domain/model.ts';
import type { Cost, TokenUsage } from '../../../src/core/domain/money.ts';
import { CATALOG, unlistedModel } from '../../../src/core/models/catalog.ts';
import { estimateCost, outputBound, settleCost } from '../../../src/core/money/pricing.ts';
import type { GenerationCall } from '../../../src/core/ports/provider.ts';
import { anInput } from '../../support/edit-inputs.ts';
import { usageOf, wantedPicture } from '../../support/openai/dialect.ts';

function call(id: string, overrides: Partial<GenerationCall> = {}): GenerationCall {
  const model: Model = CATALOG.get(id) ?? unlistedModel(id);
  return {
    model,
    prompt: '',
    size: { width: 1536, height: 1024 },
    quality: 'high',
    style: null,
    background: null,
    format: null,
    partialImages: 0,
    ...overrides,
  };
}

/** A call to a model with these prices. */
function priced(pricing: Model['pricing']): GenerationCall {
  const base = call('gpt-image-2');
  return { ...base, model: { ...base.model, pricing } };
}

const sizeOf = (text: string) => {
  const [width = 0, height = 0] = text.split('x').map(Number);
  return { width, height };
};

const editOf = (...sizes: readonly string[]) => ({ inputs: sizes.map((size) => anInput(sizeOf(size))), mask: null });

const RESERVED: Cost = { usd: 0.5, basis: 'estimate' };
const TOKENS = CATALOG.get('gpt-image-2')?.pricing as TokenPricing;

describe('the output tokens of a picture', () => {
  it.each([
    ['1024x1024', 196, 1_756, 7_024],
    ['1536x1024', 158, 1_372, 5_488],
    ['1792x1024', 139, 1_243, 5_063],
    ['2048x2048', 397, 3_568, 14_272],
    ['3840x2160', 371, 3_336, 13_342],
  ])("of %s are those of OpenAI's calculator for gpt-image-2, upright too", (size, low, medium, high) => {
    const { width, height } = sizeOf(size);
    for (const sent of [
      { width, height },
      { width: height, height: width },
    ]) {
      const tokens = (quality: GenerationCall['quality']) => outputBound(call('gpt-image-2', { size: sent, quality }));
      expect((['low', 'medium', 'high', 'auto', null] as const).map(tokens)).toEqual([low, medium, high, high, high]);
    }
  });

  it.each([
    ['gpt-image-2', 196, 1_756],
    ['gpt-image-1.5', 196, 1_756],
    ['gpt-image-1-mini', 196, 1_756],
    ['chatgpt-image-latest', 196, 1_756],
    ['gpt-image-1', 196, 1_756],
    ['gpt-image-2.5-sunburst', 196, 7_024],
    ['gpt-image-2.5-flare', 196, 7_024],
    ['gpt-image-2.6-sunburst', 784, 7_024],
    ['gpt-image-2.6-flare', 784, 7_024],
  ])('of %s at 1024x1024 are %i at low and %i at medium, and the bound for every other quality', (id, low, medium) => {
    const model = CATALOG.get(id);
    const size = { width: 1024, height: 1024 };
    const tokens = (quality: GenerationCall['quality']) => outputBound(call(id, { size, quality }));
    for (const quality of [null, ...(model?.qualities ?? [])]) {
      expect(tokens(quality), String(quality)).toBe(quality === 'low' ? low : quality === 'medium' ? medium : 7_024);
    }
  });

  it('grow by 100 for each partial picture of a stream', () => {
    expect(outputBound(call('gpt-image-2', { partialImages: 2 }))).toBe(5_488 + 200);
    expect(estimateCost(call('gpt-image-2', { partialImages: 2 })).usd).toBe(0.17064);
  });

  it.each<[string, OutputTokens, number]>([
    ['a number, in proportion to the area', 1_000, 1_167],
    ['a grid of patches', { patches: 32, times: 1 }, 553],
    ['a multiple of a grid', { patches: 32, times: 1.5 }, 830],
  ])("of a model of the operator's follow from %s", (_, count, expected) => {
    const own = priced({ ...TOKENS, outputTokens: { auto: count } });
    expect(outputBound({ ...own, size: { width: 1792, height: 1024 }, quality: null })).toBe(expected);
  });
});

/** What OpenAI publishes or has billed, in US dollars: the most that may be paid must not be less than what was. */
describe('the estimate', () => {
  it.each([
    ['1024x1024', 'high', 0.21072, 0.2107],
    ['1536x1024', 'high', 0.16464, 0.1646],
    ['1792x1024', 'high', 0.15189, 0.1519],
    ['1024x1024', 'medium', 0.05268, 0.0527],
    ['1024x1024', 'low', 0.00588, 0.0059],
  ] as const)('of %s at %s is the published price per picture', (size, quality, usd, published) => {
    expect(estimateCost(call('gpt-image-2', { size: sizeOf(size), quality }))).toEqual({ usd, basis: 'estimate' });
    expect(Number(usd.toFixed(4))).toBe(published);
  });

  // github.com/Wei-Shaw/sub2api/issues/3222: 228 text, 1,450 image and 13,342 output tokens.
  it('covers the bill of a picture of 3840x2160 with an input, which settles at what was billed', () => {
    const sent = call('gpt-image-2', { size: sizeOf('3840x2160'), prompt: 'x'.repeat(228 * 4) });
    const usage = { textInput: 228, imageInput: 1_450, cachedInput: 0, output: 13_342 };
    const cost = settleCost(sent, usage, RESERVED);
    expect(cost).toEqual({ usd: 0.413, basis: 'usage' });
    expect(estimateCost({ ...sent, edit: editOf('1536x1024') }).usd).toBeGreaterThanOrEqual(cost.usd ?? Infinity);
  });

  it.each([
    ['three hundred characters of prompt', 'x'.repeat(300), 0.0005],
    ['three hundred characters of a script with a token each', '図'.repeat(300), 0.0015],
  ])('counts %s', (_, prompt, usd) => {
    expect(estimateCost(call('gpt-image-2', { prompt })).usd).toBeCloseTo(0.16464 + usd, 9);
  });

  it.each([
    ['1024x1024', 65 + 129 + 6_240],
    ['1536x1024', 65 + 2 * 129 + 6_240],
    ['64x640', 65 + 10 * 129 + 6_240],
    ['3840x2160', 120 * 68],
  ])('of an edit counts each input picture: %s takes at most %i image tokens', (size, tokens) => {
    const plain = estimateCost(call('gpt-image-2')).usd ?? 0;
    const once = estimateCost(call('gpt-image-2', { edit: editOf(size) })).usd ?? 0;
    const twice = estimateCost(call('gpt-image-2', { edit: editOf(size, size) })).usd ?? 0;
    // 32 tokens of text come with each.
    const usd = (tokens * 8 + 32 * 5) / 1e6;
    expect(once - plain).toBeCloseTo(usd, 9);
    expect(twice - plain).toBeCloseTo(2 * usd, 9);
  });

  it('of an edit counts the mask as one more picture', () => {
    const edit = editOf('1024x1024');
    const masked = estimateCost(call('gpt-image-2', { edit: { ...edit, mask: edit.inputs[0] ?? null } })).usd;
    expect(masked).toBe(estimateCost(call('gpt-image-2', { edit: editOf('1024x1024', '1024x1024') })).usd);
  });

  it('is raised by the largest output seen, and never lowered', () => {
    expect(estimateCost(call('gpt-image-2'), 6_000).usd).toBe(0.18);
    expect(estimateCost(call('gpt-image-2'), 5_487).usd).toBe(0.16464);
    expect(estimateCost(call('gpt-image-2', { partialImages: 2 }), 5_600).usd).toBe(0.17064);
  });

  it('is unknown, never 0, where the catalog has no price, whatever was seen', () => {
    expect(estimateCost(call('my-own'), 9_000)).toEqual({ usd: null, basis: 'unknown' });
    const unknown = priced({ ...TOKENS, outputTokens: { auto: 900 } });
    expect(estimateCost(unknown, 9_000)).toEqual({ usd: null, basis: 'unknown' });
  });

  it('of a price per picture is that price', () => {
    const perPicture = priced({ kind: 'picture', usd: 0.04, date: '2026-11-22', source: 'x' });
    expect(estimateCost({ ...perPicture, edit: editOf('1024x1024') }, 9_000)).toEqual({ usd: 0.04, basis: 'estimate' });
  });
});

describe('settleCost', () => {
  const usage: TokenUsage = { textInput: 1_000, imageInput: 1_000, cachedInput: 0, output: 1_000 };

  it.each<[string, Partial<TokenUsage>, number]>([
    ['each kind of token at its own price', {}, 0.043],
    ['cached text at its price', { cachedInput: 400 }, 0.0415],
    ['cached tokens beyond the text as cached images', { cachedInput: 1_500 }, 0.03625],
    ['at most as many cached tokens as there are', { cachedInput: 5_000 }, 0.03325],
    ['the authoring of an SVG at the dearest prices', { svg: { input: 500, output: 2_000 } }, 0.107],
  ])('charges %s', (_, more, usd) => {
    expect(settleCost(call('gpt-image-2.6-flare'), { ...usage, ...more }, RESERVED)).toEqual({ usd, basis: 'usage' });
  });

  it('charges cached tokens in full where the catalog has no price for them', () => {
    const dear = priced({ ...TOKENS, cachedTextInput: null, cachedImageInput: null });
    expect(settleCost(dear, { ...usage, cachedInput: 2_000 }, RESERVED).usd).toBe(0.043);
  });

  it.each<[string, TokenUsage | null]>([
    ['no token counts', null],
    ['no output tokens', { ...usage, output: 0 }],
    ['a negative count', { ...usage, textInput: -10 }],
    ['a negative count of cached tokens', { ...usage, cachedInput: -10 }],
    ['a count that is not a number', { ...usage, imageInput: Number.NaN }],
    ['a thousand million tokens', { ...usage, output: 1e9 }],
    ['an implausible count for an SVG', { ...usage, svg: { input: 1, output: Number.NaN } }],
  ])('is what was reserved where the provider reports %s, so that the picture is not free', (_, reported) => {
    expect(settleCost(call('gpt-image-2'), reported, RESERVED)).toBe(RESERVED);
  });

  it('is what was reserved for a price per picture or without a price, whatever the token counts', () => {
    const perPicture = priced({ kind: 'picture', usd: 0.04, date: '2026-11-22', source: 'x' });
    expect(settleCost(perPicture, usage, RESERVED)).toBe(RESERVED);
    expect(settleCost(priced(null), usage, RESERVED)).toBe(RESERVED);
  });

  it('never exceeds the estimate, for any model, size, quality, prompt and number of partial pictures', () => {
    const models = [...CATALOG.values()].filter(({ pricing }) => pricing !== null);
    const side = fc.integer({ min: 256, max: 3840 });
    fc.assert(
      fc.property(
        fc.constantFrom(...models),
        fc.record({ width: side, height: side }),
        fc.constantFrom(...QUALITIES),
        fc.string({ maxLength: 500 }),
        fc.integer({ min: 0, max: 3 }),
        (model, size, wish, prompt, partialImages) => {
          const quality = model.qualities?.includes(wish) ? wish : 'auto';
          const sent = call(model.id, { size, quality, prompt, partialImages });
          const body = {
            model: model.id,
            size: `${size.width}x${size.height}`,
            quality,
            prompt,
            stream: true,
            partial_images: partialImages,
          };
          const { input_tokens, output_tokens } = usageOf(wantedPicture('generations', body, undefined), 0);
          const reported = { textInput: input_tokens, imageInput: 0, cachedInput: 0, output: output_tokens };
          const [estimate, cost] = [estimateCost(sent), settleCost(sent, reported, RESERVED)];
          expect([estimate.basis, cost.basis]).toEqual(['estimate', 'usage']);
          expect(cost.usd).toBeLessThanOrEqual(estimate.usd ?? 0);
        },
      ),
    );
  });
});
