import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { Model, TokenPricing } from '../../../src/core/domain/model.ts';
import { CATALOG, unlistedModel } from '../../../src/core/models/catalog.ts';
import { estimateCost, settleCost } from '../../../src/core/money/pricing.ts';
import type { GenerationCall } from '../../../src/core/ports/provider.ts';
import { usageOf, wantedPicture } from '../../support/openai/dialect.ts';

function call(id: string, overrides: Partial<GenerationCall> = {}): GenerationCall {
  const model: Model = CATALOG.get(id) ?? unlistedModel(id);
  const size = { width: 1536, height: 1024 };
  return { model, prompt: '', size, quality: 'high', style: null, background: null, format: null, ...overrides };
}

describe('estimateCost', () => {
  it.each([
    ['the reference picture', {}, 0.04059],
    ['a quarter of its area', { size: { width: 768, height: 512 } }, 0.01017],
    ['auto quality as high, which it may choose', { quality: 'auto' }, 0.04059],
    ['low quality', { quality: 'low' }, 0.01992],
    ['three hundred characters of prompt', { prompt: 'x'.repeat(300) }, 0.04109],
    ['three hundred characters of a script with a token each', { prompt: '図'.repeat(300) }, 0.04209],
  ] as const)('prices %s', (_, overrides, usd) => {
    expect(estimateCost(call('gpt-image-2', overrides))).toEqual({ usd, basis: 'estimate' });
  });

  it('is unknown, never 0, where the catalog has no price', () => {
    expect(estimateCost(call('my-own'))).toEqual({ usd: null, basis: 'unknown' });
    expect(estimateCost(call('gpt-image-2.5-flare', { quality: 'max' }))).toEqual({ usd: null, basis: 'unknown' });
  });
});

describe('settleCost', () => {
  const tokens = CATALOG.get('gpt-image-2')?.pricing as TokenPricing;
  const priced = (pricing: Model['pricing']): GenerationCall => {
    const base = call('gpt-image-2');
    return { ...base, model: { ...base.model, pricing } };
  };

  it.each([
    ['cached text at its price', priced({ ...tokens, cachedTextInput: 1 }), 400, 0.0034],
    ['cached text at the full price where it has none', priced(tokens), 400, 0.005],
    ['at most as much cached text as there is text', priced({ ...tokens, cachedTextInput: 1 }), 5000, 0.001],
  ])('charges %s', (_, pricedCall, cachedTextInput, textUsd) => {
    const { usd } = settleCost(pricedCall, { textInput: 1000, cachedTextInput, imageInput: 0, output: 1000 });
    expect(usd).toBeCloseTo(textUsd + 0.03, 9);
  });

  it.each([
    ['no output tokens', { textInput: 10, cachedTextInput: 0, imageInput: 0, output: 0 }],
    ['a negative count', { textInput: -10, cachedTextInput: 0, imageInput: 0, output: 10 }],
    ['a count that is not a number', { textInput: Number.NaN, cachedTextInput: 0, imageInput: 0, output: 10 }],
  ])('falls back to the estimate where the provider reports %s, so that the picture is not free', (_, usage) => {
    expect(settleCost(call('gpt-image-2'), usage)).toEqual({ usd: 0.04059, basis: 'estimate' });
  });

  it('charges a price per picture whatever the token counts', () => {
    const pricedCall = priced({ kind: 'picture', usd: 0.04, date: '2026-11-22', source: 'x' });
    const usage = { textInput: 1, cachedTextInput: 0, imageInput: 0, output: 1 };
    expect([estimateCost(pricedCall), settleCost(pricedCall, usage)]).toEqual(
      Array(2).fill({ usd: 0.04, basis: 'estimate' }),
    );
  });

  it('never exceeds the estimate, for any model, size, quality and prompt', () => {
    const models = [...CATALOG.values()].filter(({ pricing }) => pricing !== null);
    const side = fc.integer({ min: 256, max: 3840 });
    fc.assert(
      fc.property(
        fc.constantFrom(...models),
        fc.record({ width: side, height: side }),
        fc.constantFrom('auto', 'low', 'medium', 'high'),
        fc.string({ maxLength: 500 }),
        (model, size, quality, prompt) => {
          const sent = call(model.id, { size, quality, prompt });
          const body = { size: `${size.width}x${size.height}`, quality, prompt };
          const { input_tokens, output_tokens } = usageOf(wantedPicture('generations', body, undefined), 0);
          const usage = { textInput: input_tokens, cachedTextInput: 0, imageInput: 0, output: output_tokens };
          const [estimate, cost] = [estimateCost(sent), settleCost(sent, usage)];
          expect([estimate.basis, cost.basis]).toEqual(['estimate', 'usage']);
          expect(cost.usd).toBeLessThanOrEqual(estimate.usd ?? 0);
        },
      ),
    );
  });

  it('charges each kind of token at its own price', () => {
    const usage = { textInput: 1000, cachedTextInput: 0, imageInput: 1000, output: 1000 };
    expect(settleCost(call('gpt-image-2'), usage)).toEqual({ usd: 0.043, basis: 'usage' });
  });

  it('falls back to the estimate where the provider reports no token counts', () => {
    expect(settleCost(call('gpt-image-2'), null)).toEqual({ usd: 0.04059, basis: 'estimate' });
  });
});
