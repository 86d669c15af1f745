import { expect, it } from 'vitest';
import type { EditLimits } from '../../../src/core/domain/model.ts';
import { createInputLimits } from '../../../src/core/upstream/input-limits.ts';
import type { Candidate } from '../../../src/core/upstream/upstreams.ts';
import { aRequest } from '../../contracts/record-store/example-images.ts';

/** The limits on so many inputs where the models that can make the request have these. */
function limitsOf(inputs: number, ...models: readonly (EditLimits | null)[]): EditLimits {
  const candidates = models.map((edits) => ({ plan: { call: { model: { edits } } } }) as Candidate);
  return createInputLimits({ candidates: () => candidates as [Candidate, ...Candidate[]] })(aRequest(), inputs);
}

const one = { images: 1, imageBytes: 400, maskBytes: 4 };
const many = { images: 16, imageBytes: 50, maskBytes: 5 };

it('are the widest of the models that take so many', () => {
  expect(limitsOf(1, null, one, many)).toEqual({ images: 16, imageBytes: 400, maskBytes: 5 });
  expect(limitsOf(2, one, many)).toEqual(many);
});

it.each<[number, (EditLimits | null)[], RegExp]>([
  [1, [null, null], /cannot start from pictures/],
  [2, [one, null], /takes 1 inputs at most, and these are 2/],
  [17, [one, many], /takes 16 inputs at most/],
])('refuse %i inputs where the models have %j', (inputs, models, detail) => {
  expect(() => limitsOf(inputs, ...models)).toThrow(
    expect.objectContaining({
      code: 'unsupported_parameter',
      message: expect.stringMatching(detail),
      paths: [expect.objectContaining({ path: 'inputs' })],
    }),
  );
});
