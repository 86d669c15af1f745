import { expect, test } from 'vitest';
import { describeCrop } from '../../../src/web/make/crop.ts';

test('a crop in words has both sizes, and how much is cut off', () => {
  const crop = { left: 0, top: 73, width: 1536, height: 878 };
  expect(describeCrop({ requestedSize: '1536x1024', crop }, null)).toBe(
    'The model is asked for 1536x1024 pixels, and 1536x878 of them are kept: 14% is cut off.',
  );
  expect(describeCrop({ requestedSize: '1536x1024', crop }, '1792x1024')).toBe(
    'The model is asked for 1536x1024 pixels, and 1536x878 of them are kept, scaled to 1792x1024: 14% is cut off.',
  );
});

test('a picture that is kept whole is said to be', () => {
  const crop = { left: 0, top: 0, width: 1024, height: 1024 };
  expect(describeCrop({ requestedSize: '1024x1024', crop }, '1024x1024')).toBe(
    'The model is asked for 1024x1024 pixels, and 1024x1024 are kept: nothing is cut off.',
  );
});
