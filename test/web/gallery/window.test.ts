import { expect, it } from 'vitest';
import { mountedRows, rangesOf, visibleRows } from '../../../src/web/gallery/window.ts';

const GEOMETRY = { columns: 4, pitch: 100, gap: 10, top: 50 };

it('shows the rows that the window cuts, also in part', () => {
  expect(visibleRows(GEOMETRY, 0, 300)).toEqual({ first: 0, end: 3 });
  expect(visibleRows(GEOMETRY, 400, 300)).toEqual({ first: 3, end: 7 });
});

it('mounts as many rows again above and below, but never too many cards', () => {
  expect(mountedRows({ first: 10, end: 13 }, 4, 100)).toEqual({ first: 7, end: 16 });
  expect(mountedRows({ first: 0, end: 3 }, 4, 2)).toEqual({ first: 0, end: 2 });
  const { first, end } = mountedRows({ first: 20, end: 28 }, 14, 100);
  expect((end - first) * 14).toBeLessThanOrEqual(140);
  // A list that has become shorter than where the window is.
  expect(mountedRows({ first: 50, end: 53 }, 4, 10)).toEqual({ first: 9, end: 10 });
});

it('mounts the row with the focus too, where that is elsewhere', () => {
  const mounted = { first: 5, end: 9 };
  expect(rangesOf(mounted, -1)).toEqual([mounted]);
  expect(rangesOf(mounted, 8)).toEqual([mounted]);
  expect(rangesOf(mounted, 1)).toEqual([{ first: 1, end: 2 }, mounted]);
  expect(rangesOf(mounted, 20)).toEqual([mounted, { first: 20, end: 21 }]);
});
