import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { formatSize } from '../../src/images/image.ts';
import type { SizeRule } from '../../src/images/ports.ts';
import { isLegalSize, negotiateSize } from '../../src/images/size.ts';
import { CATALOG, unlistedModel } from '../../src/providers/catalog.ts';

const models = [...CATALOG.values(), unlistedModel('of-my-own')];
const size = fc.record({ width: fc.integer({ min: 16, max: 4096 }), height: fc.integer({ min: 16, max: 4096 }) });

function rule(id: string): SizeRule {
  const model = CATALOG.get(id);
  if (!model) throw new Error(`no ${id}`);
  return model.sizes;
}

describe('negotiateSize', () => {
  it.each([
    // What the size is for, the model, the size asked for → the size requested, the crop of it.
    ['taken as it is', 'gpt-image-2', '1792x1024', '1792x1024', '1792x1024'],
    ['not divisible by 16', 'gpt-image-2', '1200x675', '1216x688', '1216x684'],
    ['too few pixels', 'gpt-image-2', '64x64', '816x816', '816x816'],
    ['of a list, the best shape', 'gpt-image-1.5', '1200x675', '1536x1024', '1536x864'],
    ['of a list, upright', 'gpt-image-1.5', '675x1200', '1024x1536', '864x1536'],
    ['more than the model can', 'gpt-image-2', '4096x4096', '2880x2880', '2880x2880'],
    ['flatter than the model can', 'gpt-image-2', '3840x320', '3840x1280', '3840x320'],
  ])('%s', (_, model, asked, requested, crop) => {
    const [width = 0, height = 0] = asked.split('x').map(Number);
    const plan = negotiateSize({ width, height }, rule(model));
    expect([formatSize(plan.requested), formatSize(plan.crop)]).toEqual([requested, crop]);
  });

  it('always asks for a size the model takes, and for a crop that lies inside it and has the shape asked for', () => {
    fc.assert(
      fc.property(size, fc.constantFrom(...models), (asked, model) => {
        const { requested, crop, scale } = negotiateSize(asked, model.sizes);
        expect(isLegalSize(requested, model.sizes)).toBe(true);
        expect(crop.left + crop.width).toBeLessThanOrEqual(requested.width);
        expect(crop.top + crop.height).toBeLessThanOrEqual(requested.height);
        // Whole pixels: the crop is off the exact shape by less than one pixel along one side.
        const skew = Math.min(
          Math.abs(crop.width - (crop.height * asked.width) / asked.height),
          Math.abs(crop.height - (crop.width * asked.height) / asked.width),
        );
        expect(skew).toBeLessThanOrEqual(1);
        expect(scale).toBeGreaterThan(0);
      }),
      { numRuns: 300 },
    );
  });

  it('never enlarges where the model takes the size itself', () => {
    fc.assert(
      fc.property(size, fc.constantFrom(...models), (asked, model) => {
        if (!isLegalSize(asked, model.sizes)) return;
        expect(negotiateSize(asked, model.sizes)).toMatchObject({ requested: asked, scale: 1 });
      }),
      { numRuns: 1000 },
    );
  });
});
