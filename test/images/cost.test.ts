import { describe, expect, it } from 'vitest';
import { addCosts, estimateCost, settleCost } from '../../src/images/cost.ts';
import type { GenerationCall, Model } from '../../src/images/ports.ts';
import { CATALOG, unlistedModel } from '../../src/providers/catalog.ts';

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
  ] as const)('%s', (_, some, usd) => {
    expect(estimateCost(call('gpt-image-2', some))).toEqual({ usd, basis: 'estimate' });
  });

  it('is unknown, never 0, where the catalog has no price', () => {
    expect(estimateCost(call('my-own'))).toEqual({ usd: null, basis: 'unknown' });
    expect(estimateCost(call('gpt-image-2.5-flare', { quality: 'max' }))).toEqual({ usd: null, basis: 'unknown' });
  });
});

describe('settleCost', () => {
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
