import { describe, expect, it } from 'vitest';
import { haveSameLabels, rebasedLabels, withLabel } from '../../../src/web/picture-actions/label-changes.ts';

it('withLabel adds a label once, and no blank one', () => {
  expect(withLabel(['a'], ' b ')).toEqual(['a', 'b']);
  expect(withLabel(['a'], 'a')).toEqual(['a']);
  expect(withLabel(['a'], '  ')).toEqual(['a']);
});

describe('rebasedLabels', () => {
  it('does what was added and removed here to the labels as they are now', () => {
    expect(rebasedLabels(['a', 'b'], ['b', 'mine'], ['a', 'b', 'theirs'])).toEqual(['b', 'theirs', 'mine']);
  });

  it('brings back nothing that was removed elsewhere, and doubles nothing that was added in both places', () => {
    expect(rebasedLabels(['a', 'b'], ['a', 'b', 'c'], ['a', 'c'])).toEqual(['a', 'c']);
  });
});

it('haveSameLabels does not look at their order', () => {
  expect(haveSameLabels(['a', 'b'], ['b', 'a'])).toBe(true);
  expect(haveSameLabels(['a'], ['a', 'b'])).toBe(false);
});
