import { expect, it } from 'vitest';
import type { EditLimits } from '../../../src/core/domain/model.ts';
import type { ImageRequest } from '../../../src/core/domain/request.ts';
import { createInputLimits } from '../../../src/core/upstream/input-limits.ts';
import type { Candidate } from '../../../src/core/upstream/upstreams.ts';
import { aRequest } from '../../contracts/record-store/example-images.ts';
import { aReference } from '../../support/inputs.ts';

/** The limits on so many inputs of the request where the models that can make it have these. */
function limitsFor(request: ImageRequest, inputs: number, models: readonly (EditLimits | null)[]): EditLimits {
  const candidates = models.map((edits) => ({ plan: { call: { model: { edits } } } }) as Candidate);
  return createInputLimits({ candidates: () => candidates as [Candidate, ...Candidate[]] })(request, inputs);
}

const limitsOf = (inputs: number, ...models: readonly (EditLimits | null)[]) => limitsFor(aRequest(), inputs, models);

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

it('count the references of a preset, of which the refusal says how many', () => {
  const reference = aReference('logo');
  const request = aRequest({ preset: 'acme@1', references: [reference, reference] });
  expect(limitsFor(request, 14, [one, many])).toEqual(many);
  expect(() => limitsFor(request, 15, [one, many])).toThrow(
    expect.objectContaining({
      code: 'unsupported_parameter',
      message: expect.stringMatching(/takes 16 inputs at most, and these are 15, and acme@1 brings 2 more$/),
      paths: [{ path: 'inputs', message: 'at most 14' }],
    }),
  );
});
