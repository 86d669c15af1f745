import { describe, expect, it } from 'vitest';
import {
  ageWords,
  asSentence,
  costWords,
  cropWords,
  httpWords,
  sourceTypeWords,
} from '../../../src/web/picture-facts/words.ts';

describe('costWords', () => {
  it.each([
    [{ usd: 0.152, basis: 'usage' }, "$0.152, by the provider's own count"],
    [{ usd: 0.2, basis: 'estimate' }, 'Up to $0.20, estimated by the price list'],
    [{ usd: 0, basis: 'estimate' }, 'Nothing, by the price list'],
    [{ usd: null, basis: 'unknown' }, 'Not known: the price list has no price for this model'],
    [{ usd: 0, basis: 'none' }, 'Nothing: no call was made, or none was billed'],
  ] as const)('%j', (cost, words) => {
    expect(costWords(cost)).toBe(words);
  });
});

describe('cropWords', () => {
  const master = { width: 1792, height: 1024 };
  it('says how much of which side was cut off', () => {
    expect(cropWords('1536x1024', master)).toContain('14% of its height was cut off');
    expect(cropWords('2048x1024', master)).toContain('13% of its width was cut off');
  });

  it('says that nothing was', () => {
    expect(cropWords('1792x1024', master)).toBe('Nothing was cut off.');
    expect(cropWords('3584x2048', master)).toBe('It was brought to 1792 × 1024; nothing was cut off.');
  });
});

it('httpWords says a status in words, one that it has no words for too', () => {
  expect(httpWords({ httpStatus: 429, outcome: 'failed' })).toBe(
    'HTTP 429: too many requests, or the quota is used up',
  );
  // The placeholder answers without HTTP.
  expect(httpWords({ httpStatus: null, outcome: 'ok' })).toBe('');
  expect(httpWords({ httpStatus: 529, outcome: 'failed' })).toBe('HTTP 529: an error inside the provider');
  expect(httpWords({ httpStatus: 418, outcome: 'failed' })).toBe('HTTP 418');
  expect(httpWords({ httpStatus: null, outcome: 'unknown' })).toBe('No HTTP answer came');
  expect(httpWords({ httpStatus: null, outcome: 'running' })).toBe('No answer yet');
});

it('ageWords uses the largest unit that leaves no rest', () => {
  expect([1, 90, 120, 3600, 86_400, 2_592_000].map(ageWords)).toEqual([
    '1 second',
    '90 seconds',
    '2 minutes',
    '1 hour',
    '1 day',
    '30 days',
  ]);
});

it('asSentence begins with a capital and ends with one full stop', () => {
  expect(asSentence('style was dropped')).toBe('Style was dropped.');
  expect(asSentence('It is done.')).toBe('It is done.');
});

it('sourceTypeWords says what a picture is, of codes that it does not know too', () => {
  const code = 'http://cv.iptc.org/newscodes/digitalsourcetype/';
  expect(sourceTypeWords(`${code}trainedAlgorithmicMedia`)).toContain('a trained model');
  expect(sourceTypeWords(`${code}algorithmicMedia`)).toContain('without training');
  expect(sourceTypeWords(`${code}digitalCapture`)).toBe('IPTC “digitalCapture”');
  expect(sourceTypeWords(null)).toContain('Not known');
});
