import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { Model, TokenPricing } from '../../../src/core/domain/model.ts';
import { addCosts } from '../../../src/core/domain/money.ts';
import { CATALOG, unlistedModel } from '../../../src/core/models/catalog.ts';
import { estimateCost, settleCost } from '../../../src/core/money/pricing.ts';
import type { GenerationCall } from '../../../src/core/ports/provider.ts';
import { usageOf, wantedPicture } from '../../support/openai/dialect.ts';

function call(id: string, some: Partial<GenerationCall> = {}): GenerationCall {
  const model: Model = CATALOG.get(id) ?? unlistedModel(id);
  const size = { width: 1536, height: 1024 };
  return { model, prompt: '', size, quality: 'high', style: null, background: null, format: null, ...some };
}

describe('estimateCost', () => {
  it.each([
    ['the reference picture', {}, 0.04059],
    ['a quarter of its area', { size: { width: 768, height: 512 } }, 0.01017],
    ['auto, which may choose high', { quality: 'auto' }, 0.04059],
    ['low', { quality: 'low' }, 0.01992],
    ['three hundred characters of prompt', { prompt: 'x'.repeat(300) }, 0.04109],
    ['three hundred of a script with a token each', { prompt: '図'.repeat(300) }, 0.04209],
  ] as const)('%s', (_, some, usd) => {
    expect(estimateCost(call('gpt-image-2', some))).toEqual({ usd, basis: 'estimate' });
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
    ['cached text at its own price', priced({ ...tokens, cachedTextInput: 1 }), 400, 0.0034],
    ['cached text in full where no price is known', priced(tokens), 400, 0.005],
    ['no more cached text than there is text', priced({ ...tokens, cachedTextInput: 1 }), 5000, 0.001],
  ])('counts %s', (_, made, cachedTextInput, textUsd) => {
    const { usd } = settleCost(made, { textInput: 1000, cachedTextInput, imageInput: 0, output: 1000 });
    expect(usd).toBeCloseTo(textUsd + 0.03, 9);
  });

  it.each([
    ['no output', { textInput: 10, cachedTextInput: 0, imageInput: 0, output: 0 }],
    ['less than nothing', { textInput: -10, cachedTextInput: 0, imageInput: 0, output: 10 }],
    ['no number', { textInput: Number.NaN, cachedTextInput: 0, imageInput: 0, output: 10 }],
  ])('takes the estimate where the provider counts %s: it is not free for that', (_, usage) => {
    expect(settleCost(call('gpt-image-2'), usage)).toEqual({ usd: 0.04059, basis: 'estimate' });
  });

  it('takes the price per picture where there is one, whatever was counted', () => {
    const made = priced({ kind: 'picture', usd: 0.04, date: '2026-11-22', source: 'x' });
    const usage = { textInput: 1, cachedTextInput: 0, imageInput: 0, output: 1 };
    expect([estimateCost(made), settleCost(made, usage)]).toEqual(Array(2).fill({ usd: 0.04, basis: 'estimate' }));
  });

  it('never comes to more than the estimate, for any model, size, quality and prompt', () => {
    const models = [...CATALOG.values()].filter(({ pricing }) => pricing !== null);
    const side = fc.integer({ min: 256, max: 3840 });
    fc.assert(
      fc.property(
        fc.constantFrom(...models),
        fc.record({ width: side, height: side }),
        fc.constantFrom('auto', 'low', 'medium', 'high'),
        fc.string({ maxLength: 500 }),
        (model, size, quality, prompt) => {
          const made = call(model.id, { size, quality, prompt });
          const body = { size: `${size.width}x${size.height}`, quality, prompt };
          const { input_tokens, output_tokens } = usageOf(wantedPicture('generations', body, undefined), 0);
          const usage = { textInput: input_tokens, cachedTextInput: 0, imageInput: 0, output: output_tokens };
          const [estimate, cost] = [estimateCost(made), settleCost(made, usage)];
          expect([estimate.basis, cost.basis]).toEqual(['estimate', 'usage']);
          expect(cost.usd).toBeLessThanOrEqual(estimate.usd ?? 0);
        },
      ),
    );
  });

  it('counts each kind of token at its own price', () => {
    const usage = { textInput: 1000, cachedTextInput: 0, imageInput: 1000, output: 1000 };
    expect(settleCost(call('gpt-image-2'), usage)).toEqual({ usd: 0.043, basis: 'usage' });
  });

  it('falls back on the estimate where the provider counted nothing', () => {
    expect(settleCost(call('gpt-image-2'), null)).toEqual({ usd: 0.04059, basis: 'estimate' });
  });
});

describe('addCosts', () => {
  it('is only as sure as its least sure part', () => {
    const sure = { usd: 0.1, basis: 'usage' } as const;
    expect(addCosts(sure, { usd: 0.2, basis: 'usage' })).toEqual({ usd: 0.3, basis: 'usage' });
    expect(addCosts(sure, { usd: 0.2, basis: 'estimate' })).toEqual({ usd: 0.3, basis: 'estimate' });
    expect(addCosts(sure, { usd: null, basis: 'unknown' })).toEqual({ usd: null, basis: 'unknown' });
  });
});
