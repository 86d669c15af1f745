import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { ImageError } from '../../../src/core/domain/errors.ts';
import type { Model } from '../../../src/core/domain/model.ts';
import type { ImageRequest } from '../../../src/core/domain/request.ts';
import { unlistedModel } from '../../../src/core/models/catalog.ts';
import { planGeneration } from '../../../src/core/planning/plan.ts';
import { planEdit } from '../../../src/core/planning/plan-edit.ts';
import { aRequest } from '../../contracts/record-store/example-images.ts';
import { anInput, aReference } from '../../support/inputs.ts';

const editor: Model = { ...unlistedModel('editor'), edits: { images: 4, imageBytes: 2000, maskBytes: 500 } };
const painter = unlistedModel('painter');

const request = (overrides: Partial<ImageRequest>): ImageRequest => aRequest({ preset: 'acme@1', ...overrides });

describe('planEdit', () => {
  it("sends the caller's inputs first and the references after them, whatever they are", () => {
    const names = fc.array(fc.stringMatching(/^[a-z]{1,4}$/), { maxLength: 6 });
    fc.assert(
      fc.property(names, names, (given, ofPreset) => {
        const inputs = given.map((name) => anInput(name));
        const references = ofPreset.map((name) => aReference(name));
        const model: Model = { ...editor, edits: { images: 16, imageBytes: 2000, maskBytes: 500 } };
        const planned = planEdit(request({ inputs, references }), model)?.inputs ?? [];
        expect(planned.slice(0, inputs.length)).toEqual(inputs);
        expect(planned.slice(inputs.length)).toEqual(references);
        // The number in the prompt is the place in the call.
        const { call } = planGeneration(request({ prompt: 'x', brief: null, inputs, references }), model);
        references.forEach(({ sha256, use }, index) => {
          const place = inputs.length + index;
          expect(call.edit?.inputs[place]?.sha256).toBe(sha256);
          expect(call.prompt).toContain(`Image ${place + 1} is a reference: ${use}`);
        });
      }),
    );
  });

  it("keeps the mask with the caller's first input", () => {
    const mask = anInput('mask', { bytes: 500 });
    expect(planEdit(request({ inputs: [anInput('a')], references: [aReference('logo')], mask }), editor)).toMatchObject(
      {
        inputs: [anInput('a'), aReference('logo')],
        mask,
      },
    );
  });

  it('plans no edit without pictures, also for a model that cannot edit', () => {
    expect(planEdit(request({}), painter)).toBeNull();
    expect(planGeneration(request({}), painter).call).not.toHaveProperty('edit');
  });

  it.each<[string, Partial<ImageRequest>, Model, string, RegExp]>([
    [
      'references for a model that cannot edit',
      { references: [aReference('logo')] },
      painter,
      'preset',
      /^painter cannot start from pictures, and acme@1 brings 1 reference picture$/,
    ],
    [
      'inputs for a model that cannot edit',
      { inputs: [anInput('a')], references: [aReference('logo')] },
      painter,
      'inputs',
      /^painter cannot start from pictures$/,
    ],
    [
      'too many in sum',
      { inputs: [anInput('a'), anInput('b'), anInput('c')], references: [aReference('logo'), aReference('paper')] },
      editor,
      'inputs.2',
      /^editor starts from at most 4 pictures, and 3 were given; acme@1 brings 2 reference pictures$/,
    ],
    [
      'too many references',
      { references: ['a', 'b', 'c', 'd', 'e'].map((name) => aReference(name)) },
      editor,
      'preset',
      /^editor starts from at most 4 pictures, and acme@1 brings 5 reference pictures$/,
    ],
    [
      'a large reference',
      { inputs: [anInput('a')], references: [aReference('logo', { bytes: 2001 })] },
      editor,
      'preset',
      /^editor does not take pictures of this many bytes$/,
    ],
    [
      'a large input',
      { inputs: [anInput('a'), anInput('b', { bytes: 2001 })] },
      editor,
      'inputs.1',
      /this many bytes$/,
    ],
  ])('refuses %s before anything is paid', (_, parts, model, path, detail) => {
    const refused = () => planEdit(request(parts), model);
    expect(refused).toThrow(ImageError);
    expect(refused).toThrow(
      expect.objectContaining({
        code: 'unsupported_parameter',
        message: expect.stringMatching(detail),
        paths: [expect.objectContaining({ path })],
      }),
    );
  });
});
