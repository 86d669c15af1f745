import sharp from 'sharp';
import { expect, test } from 'vitest';
import { makeAnswerPicture } from '../../../src/adapters/imaging/answer-picture.ts';
import { texturedPicture } from '../../support/pictures.ts';

test.each([
  ['a JPEG of an opaque picture', false, 'jpeg'],
  ['a PNG of one with transparent parts', true, 'png'],
] as const)('makes %s, at most 512 px long', async (_name, transparent, format) => {
  const picture = await texturedPicture({ width: 1024, height: 640, transparent, format: 'webp' });
  const { mimeType, bytes } = await makeAnswerPicture(sharp, picture);
  expect(mimeType).toBe(`image/${format}`);
  expect(await sharp(bytes).metadata()).toMatchObject({ format, width: 512, height: 320, hasAlpha: transparent });
});

test('makes a small picture no larger', async () => {
  const picture = await texturedPicture({ width: 64, height: 32 });
  const { bytes } = await makeAnswerPicture(sharp, picture);
  expect(await sharp(bytes).metadata()).toMatchObject({ width: 64, height: 32 });
});
