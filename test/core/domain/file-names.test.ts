import { describe, expect, it } from 'vitest';
import {
  inputName,
  isGivenName,
  masterName,
  mediaIdOf,
  originalName,
  ownedNames,
  possibleNames,
  publishedAs,
  renditionName,
  storedNameOf,
} from '../../../src/core/domain/file-names.ts';
import { MASTER_FORMATS, RENDITION_FORMATS } from '../../../src/core/domain/formats.ts';
import { imageIn, partsOf } from './life-cycle/example-changes.ts';

const MEDIA_IDS = [
  'a',
  '0',
  'article-42-hero',
  'a.b_c-d',
  'a.png',
  'x'.repeat(128),
  '019b0000-0000-7000-8000-000000000000',
];

const HASH = '0123456789abcdef'.repeat(4);

describe('the stored name of a published file', () => {
  it('is its public name, or has its checksum in it', () => {
    expect(publishedAs('a.png', HASH, false)).toEqual({ name: 'a.png' });
    expect(publishedAs('a.b.png', HASH, true)).toEqual({ name: 'a.b.png', stored: 'a.b~0123456789abcdef.png' });
    expect(storedNameOf(publishedAs('a@8x8.webp', HASH, true))).toBe('a@8x8~0123456789abcdef.webp');
  });

  it.each(MEDIA_IDS)('names the image %s, and is one that Easel gives', (mediaId) => {
    const names = [
      ...MASTER_FORMATS.map((format) => masterName(mediaId, format)),
      ...RENDITION_FORMATS.map((format) => renditionName(mediaId, { width: 1200, height: 675, format })),
    ].map((name) => storedNameOf(publishedAs(name, HASH, true)));
    expect(names.map(mediaIdOf)).toEqual(names.map(() => mediaId));
    expect(names.filter((name) => !isGivenName(name))).toEqual([]);
  });

  it('is what an image owns, instead of the public one', () => {
    const { master, renditions, thumbnail: small } = partsOf();
    const files = [master, ...renditions, small].map((file) => ({ ...file, ...publishedAs(file.name, HASH, true) }));
    const [named, ...others] = files;
    const [thumbnail = null] = others.splice(-1);
    const image = { ...imageIn('succeeded'), master: named ?? null, renditions: others, thumbnail, pending: [] };
    const stored = files.map(storedNameOf);
    expect(ownedNames(image)).toEqual([...stored, originalName('x', 'a')]);
    expect(possibleNames(image)).toEqual(expect.arrayContaining([...stored, master.name]));
  });
});

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
    'a~1.png',
    'a~0123456789abcdeF.png',
    'a~0123456789abcdef@8x8.png',
    'a~0123456789abcdef~0123456789abcdef.png',
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
