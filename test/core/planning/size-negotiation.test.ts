import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { coverCrop, enlargement, formatSize, type Size } from '../../../src/core/domain/geometry.ts';
import type { SizeRule } from '../../../src/core/domain/model.ts';
import { CATALOG, unlistedModel } from '../../../src/core/models/catalog.ts';
import { isLegalSize, negotiateSize } from '../../../src/core/planning/size-negotiation.ts';

const models = [...CATALOG.values(), unlistedModel('of-my-own')];

/** Rules that an operator may write, small enough to try every size there is. */
const smallRule = fc
  .record({
    step: fc.constantFrom(1, 7, 16),
    minSide: fc.integer({ min: 1, max: 40 }),
    maxSide: fc.integer({ min: 16, max: 64 }),
    minPixels: fc.integer({ min: 1, max: 2000 }),
    maxPixels: fc.integer({ min: 256, max: 4096 }),
    maxRatio: fc.constantFrom(1, 1.5, 3, 64),
  })
  .map((bounds): SizeRule => ({ kind: 'range', ...bounds }))
  .filter((rule) => everySize(rule).length > 0);

function everySize(rule: SizeRule): Size[] {
  const sides = Array.from({ length: 64 }, (_, index) => index + 1);
  return sides.flatMap((width) => sides.map((height) => ({ width, height }))).filter((size) => isLegalSize(size, rule));
}
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

  it('does not drift away from the least enlargement in many small steps', () => {
    const sizes = Array.from({ length: 300 }, (_, index) => ({ width: 2000 - index, height: 2000 - index }));
    const { requested } = negotiateSize({ width: 2001, height: 2001 }, { kind: 'list', sizes });
    expect(requested.width).toBeGreaterThanOrEqual(1998);
  });

  it('enlarges as little as any size of any rule would, and finds one wherever there is one', () => {
    fc.assert(
      fc.property(
        fc.record({ width: fc.integer({ min: 1, max: 100 }), height: fc.integer({ min: 1, max: 100 }) }),
        smallRule,
        (asked, rule) => {
          const { requested, scale } = negotiateSize(asked, rule);
          expect(isLegalSize(requested, rule)).toBe(true);
          const least = Math.min(...everySize(rule).map((size) => enlargement(coverCrop(size, asked), asked)));
          // Up to a thousandth is given away for a picture that wastes less.
          expect(Math.max(1, scale)).toBeLessThanOrEqual(Math.max(1, least) + 1e-3);
        },
      ),
      { numRuns: 200 },
    );
  });
});
