import { describe, expect, it } from 'vitest';
import {
  inputName,
  isGivenName,
  masterName,
  mediaIdOf,
  originalName,
  renditionName,
} from '../../../src/core/domain/file-names.ts';
import { MASTER_FORMATS, RENDITION_FORMATS } from '../../../src/core/domain/formats.ts';

const MEDIA_IDS = [
  'a',
  '0',
  'article-42-hero',
  'a.b_c-d',
  'a.png',
  'x'.repeat(128),
  '019b0000-0000-7000-8000-000000000000',
];

describe('isGivenName', () => {
  it.each(MEDIA_IDS)('is true for every name of the image %s', (mediaId) => {
    const names = [
      ...MASTER_FORMATS.map((format) => masterName(mediaId, format)),
      ...RENDITION_FORMATS.map((format) => renditionName(mediaId, { width: 1200, height: 675, format })),
      originalName(mediaId, '019b0000-0000-7000-8000-000000000001'),
    ];
    expect(names.filter((name) => !isGivenName(name))).toEqual([]);
  });

  it('is true for the name of an input, in which no mediaId can be found', () => {
    expect(isGivenName(inputName('0af1'.repeat(16)))).toBe(true);
    expect(mediaIdOf(inputName('0af1'.repeat(16)))).toBeNull();
  });

  it.each([
    '',
    'a',
    'a..b.png',
    'a..png',
    'back\\slash.png',
    'UPPER.png',
    'a b.png',
    'ä.png',
    '.hidden.png',
    '-a.png',
    `${'x'.repeat(129)}.png`,
    'a.gif',
    'a.avif',
    'a.png ',
    'a.png\n',
    'a.png.part',
    'a@.png',
    'a@1x1.gif',
    'a@1x1@2x2.png',
    'a@wide.png',
    'a~1',
    'originals/a',
    'originals/a.png',
    'originals/a~',
    'originals/a~1~2',
    'originals/A~1',
    'originals/b/a~1',
    'folder/a.png',
    'notes.txt',
    `inputs/${'a'.repeat(63)}`,
    `inputs/${'A'.repeat(64)}`,
    `inputs/${'a'.repeat(64)}.png`,
    `inputs/x/${'a'.repeat(64)}`,
    'inputs/a.png',
  ])('is false for %j', (name) => {
    expect(isGivenName(name)).toBe(false);
  });
});
