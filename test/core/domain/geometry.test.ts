import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { coverCrop, coverCropWithin, haveSameShape } from '../../../src/core/domain/geometry.ts';

const size = fc.record({ width: fc.integer({ min: 1, max: 4096 }), height: fc.integer({ min: 1, max: 4096 }) });

describe('coverCrop', () => {
  it.each([
    [
      { width: 1792, height: 1024 },
      { width: 1200, height: 675 },
      { left: 0, top: 8, width: 1792, height: 1008 },
    ],
    [
      { width: 1024, height: 1024 },
      { width: 1792, height: 1024 },
      { left: 0, top: 219, width: 1024, height: 585 },
    ],
    [
      { width: 1000, height: 500 },
      { width: 30, height: 30 },
      { left: 250, top: 0, width: 500, height: 500 },
    ],
    [
      { width: 16, height: 4096 },
      { width: 4096, height: 16 },
      { left: 0, top: 2047, width: 16, height: 1 },
    ],
  ])('of %o for %o', (from, to, crop) => {
    expect(coverCrop(from, to)).toEqual(crop);
  });

  it('lies inside the picture and spans its width or its height', () => {
    fc.assert(
      fc.property(size, size, (from, to) => {
        const { left, top, width, height } = coverCrop(from, to);
        expect(Math.min(left, top)).toBeGreaterThanOrEqual(0);
        expect(Math.min(width, height)).toBeGreaterThanOrEqual(1);
        expect(left + width).toBeLessThanOrEqual(from.width);
        expect(top + height).toBeLessThanOrEqual(from.height);
        expect(width === from.width || height === from.height).toBe(true);
      }),
    );
  });
});

it('coverCropWithin stays inside the outer crop, in its coordinates', () => {
  const outer = { left: 100, top: 40, width: 800, height: 400 };
  expect(coverCropWithin(outer, { width: 10, height: 10 })).toEqual({ left: 300, top: 40, width: 400, height: 400 });
});

it.each([
  [1792, 1024, 1200, 675, true],
  [1792, 1024, 64, 36, true],
  [1050, 1000, 500, 500, true],
  [1051, 1000, 500, 500, false],
  [1000, 1050, 500, 500, true],
  [1000, 1051, 500, 500, false],
  [1024, 1536, 1200, 675, false],
])(
  'haveSameShape allows 5 %% between aspect ratios: %ix%i and %ix%i',
  (width, height, otherWidth, otherHeight, same) => {
    const [one, other] = [
      { width, height },
      { width: otherWidth, height: otherHeight },
    ];
    expect([haveSameShape(one, other), haveSameShape(other, one)]).toEqual([same, same]);
  },
);
