import type { Axis } from '../support/results.ts';
import { formatFigure } from './format.ts';

/** Where the values of an axis stand, in pixels. */
export interface Scale {
  at(value: number): number;
  readonly ticks: readonly { readonly at: number; readonly label: string }[];
}

/** How many steps a linear axis has at most. */
const STEPS = 6;

/**
 * The scale on which all `values` can be seen, from the first pixel to the last. A linear one begins at 0; a logarithmic one begins and
 * ends at a power of ten, or at 2 or 5 times one where the values lie within two.
 */
export function createScale({ scale }: Axis, values: readonly number[], pixels: readonly [number, number]): Scale {
  const marks = scale === 'log' ? logMarks(values) : linearMarks(values);
  const place = scale === 'log' ? Math.log10 : (value: number) => value;
  const [first, last] = [place(marks[0] ?? 0), place(marks.at(-1) ?? 1)];
  const [from, to] = pixels;
  const at = (value: number) => from + ((place(value) - first) / (last - first)) * (to - from);
  return { at, ticks: marks.map((value) => ({ at: at(value), label: formatFigure(value) })) };
}

function linearMarks(values: readonly number[]): readonly number[] {
  const largest = Math.max(...values, 0) || 1;
  const power = 10 ** Math.floor(Math.log10(largest / STEPS));
  const step = [1, 2, 2.5, 5, 10].map((factor) => factor * power).find((one) => largest / one <= STEPS) ?? largest;
  return Array.from({ length: Math.ceil(largest / step) + 1 }, (_, index) => Number((index * step).toPrecision(12)));
}

function logMarks(values: readonly number[]): readonly number[] {
  const [least, most] = values.length === 0 ? [1, 10] : [Math.min(...values), Math.max(...values)];
  const powers = Math.log10(most / least) >= 2 ? [1] : [1, 2, 5];
  const [lowest, highest] = [Math.floor(Math.log10(least)), Math.ceil(Math.log10(most))];
  const marks: number[] = [];
  for (let power = lowest - 1; power <= highest + 1; power += 1) {
    for (const factor of powers) marks.push(Number((factor * 10 ** power).toPrecision(3)));
  }
  const first = marks.findLastIndex((mark) => mark <= least);
  const last = marks.findIndex((mark) => mark >= most);
  // One value alone, at a mark, has an axis too.
  return marks.slice(first, Math.max(last, first + 1) + 1);
}
