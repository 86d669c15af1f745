import { expect, it } from 'vitest';
import { retryWords } from '../../../src/web/picture-actions/retry-words.ts';

it.each([
  [{ usd: 0, call: false, mayBePaidAlready: true }, ['Finishes the picture that was paid for; costs nothing.']],
  [{ usd: 0, call: false, mayBePaidAlready: false }, ['Finishes without a call to a provider; costs nothing.']],
  [{ usd: 0.15, call: true, mayBePaidAlready: false }, ['Calls a provider again. This may cost up to $0.15.']],
  [{ usd: 0, call: true, mayBePaidAlready: false }, ['Calls a provider again; by the price list this costs nothing.']],
  [
    { usd: null, call: true, mayBePaidAlready: true },
    [
      'Calls a provider again. What that costs is not known.',
      'An earlier call may be billed already; this one would be billed besides.',
    ],
  ],
])('retryWords of %j', (cost, sentences) => {
  expect(retryWords(cost)).toEqual(sentences);
});
