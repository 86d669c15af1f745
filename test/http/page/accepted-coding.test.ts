import { expect, it } from 'vitest';
import { acceptedCoding } from '../../../src/http/page/accepted-coding.ts';

it.each([
  [undefined, 'identity'],
  ['', 'identity'],
  ['gzip, deflate', 'gzip'],
  ['gzip, deflate, br, zstd', 'br'],
  ['GZIP', 'gzip'],
  ['x-gzip', 'gzip'],
  ['br;q=0.5, gzip', 'gzip'],
  ['br; q=0.5 , gzip;q=0.4', 'br'],
  ['br;q=0, gzip;q=0', 'identity'],
  ['*', 'br'],
  ['br;q=0, *', 'gzip'],
  ['identity, br;q=0.1', 'identity'],
  ['identity;q=0, gzip', 'gzip'],
  ['gzip;q=2', 'identity'],
  ['gzip;q=x', 'identity'],
  ['deflate', 'identity'],
  [',;,', 'identity'],
])('%s: %s', (header, coding) => {
  expect(acceptedCoding(header)).toBe(coding);
});
