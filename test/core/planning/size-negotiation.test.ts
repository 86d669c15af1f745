import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { coverCrop, enlargement, formatSize, type Size } from '../../../src/core/domain/geometry.ts';
import type { SizeRule } from '../../../src/core/domain/model.ts';
import { CATALOG, unlistedModel } from '../../../src/core/models/catalog.ts';
import { isLegalSize, negotiateSize, oversizedRenditions } from '../../../src/core/planning/size-negotiation.ts';

const models = [...CATALOG.values(), unlistedModel('my-own')];

/** Rules that an operator may write, small enough to try every legal size. */
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
    // Case, model, target, requested size, crop.
    ['requests a supported target unchanged', 'gpt-image-2', '1792x1024', '1792x1024', '1792x1024'],
    ['rounds up a target that 16 does not divide', 'gpt-image-2', '1200x675', '1216x688', '1216x684'],
    ['enlarges the request for a target of too few pixels', 'gpt-image-2', '64x64', '816x816', '816x816'],
    ['chooses the closest shape of a list', 'gpt-image-1.5', '1200x675', '1536x1024', '1536x864'],
    ['chooses the closest upright shape of a list', 'gpt-image-1.5', '675x1200', '1024x1536', '864x1536'],
    ['requests the largest size for a target beyond it', 'gpt-image-2', '4096x4096', '2880x2880', '2880x2880'],
    ['requests the flattest size for a target beyond it', 'gpt-image-2', '3840x320', '3840x1280', '3840x320'],
  ])('%s', (_, model, target, requested, crop) => {
    const [width = 0, height = 0] = target.split('x').map(Number);
    const plan = negotiateSize({ width, height }, rule(model));
    expect([formatSize(plan.requested), formatSize(plan.crop)]).toEqual([requested, crop]);
  });

  it('always requests a legal size, and a crop inside it with the shape of the target', () => {
    fc.assert(
      fc.property(size, fc.constantFrom(...models), (target, model) => {
        const { requested, crop, scale } = negotiateSize(target, model.sizes);
        expect(isLegalSize(requested, model.sizes)).toBe(true);
        expect(crop.left + crop.width).toBeLessThanOrEqual(requested.width);
        expect(crop.top + crop.height).toBeLessThanOrEqual(requested.height);
        // Crops are whole pixels, so the shape is off by at most one pixel along one side.
        const skew = Math.min(
          Math.abs(crop.width - (crop.height * target.width) / target.height),
          Math.abs(crop.height - (crop.width * target.height) / target.width),
        );
        expect(skew).toBeLessThanOrEqual(1);
        expect(scale).toBeGreaterThan(0);
      }),
      { numRuns: 300 },
    );
  });

  it('never enlarges where the model supports the target itself', () => {
    fc.assert(
      fc.property(size, fc.constantFrom(...models), (target, model) => {
        if (!isLegalSize(target, model.sizes)) return;
        expect(negotiateSize(target, model.sizes)).toMatchObject({ requested: target, scale: 1 });
      }),
      { numRuns: 1000 },
    );
  });

  it('does not drift away from the least enlargement in many steps within the tolerance', () => {
    const sizes = Array.from({ length: 300 }, (_, index) => ({ width: 2000 - index, height: 2000 - index }));
    const { requested } = negotiateSize({ width: 2001, height: 2001 }, { kind: 'list', sizes });
    expect(requested.width).toBeGreaterThanOrEqual(1998);
  });

  it('finds a size for every rule that has one, and enlarges no more than the best of all sizes', () => {
    fc.assert(
      fc.property(
        fc.record({ width: fc.integer({ min: 1, max: 100 }), height: fc.integer({ min: 1, max: 100 }) }),
        smallRule,
        (target, rule) => {
          const { requested, scale } = negotiateSize(target, rule);
          expect(isLegalSize(requested, rule)).toBe(true);
          const least = Math.min(...everySize(rule).map((size) => enlargement(coverCrop(size, target), target)));
          // The tolerance: up to a thousandth more enlargement for less waste.
          expect(Math.max(1, scale)).toBeLessThanOrEqual(Math.max(1, least) + 1e-3);
        },
      ),
      { numRuns: 200 },
    );
  });
});

describe('oversizedRenditions', () => {
  it('names each rendition that would enlarge its master more than twice', () => {
    const renditions = [
      { width: 100, height: 100 },
      { width: 201, height: 201 },
    ];
    expect(oversizedRenditions({ width: 100, height: 100 }, renditions)).toEqual([
      { path: 'renditions.1', message: '201x201 is more than 2 times the master, 100x100' },
    ]);
    expect(oversizedRenditions({ width: 101, height: 101 }, renditions)).toEqual([]);
  });
});
