import { expect, it } from 'vitest';
import { hashOf, NO_FILTERS, parsePlace } from '../../src/web/state/places.ts';

it('passes over what is no status in a link that was typed, and keeps the rest', () => {
  const place = parsePlace('#/?status=done&status=failed&label=x&q=red%20fox');
  expect(place).toEqual({
    name: 'gallery',
    filters: { ...NO_FILTERS, status: ['failed'], label: ['x'], q: 'red fox' },
  });
});

it.each(['#/', '#/images/a%2Fb', '#/make?from=one&input=two', '#/operations'])(
  'reads the hash that it writes: %s',
  (hash) => {
    const place = parsePlace(hash);
    expect(place.name === 'unknown' ? null : hashOf(place)).toBe(hash);
  },
);
