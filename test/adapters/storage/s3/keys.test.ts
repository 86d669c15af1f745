import fc from 'fast-check';
import { expect, it } from 'vitest';
import { createKeys } from '../../../../src/adapters/storage/s3/keys.ts';
import { isStoredName } from '../../../../src/adapters/storage/stored-names.ts';

const keys = createKeys('/pictures/');

it('keeps the folder in front, spreads the names, and leaves given names as they are', () => {
  expect(keys.of('article-42-hero@1200x675.png')).toMatch(/^pictures\/[0-9a-f]{2}\/article-42-hero@1200x675\.png$/);
  expect(keys.of('originals/a~01f')).toMatch(/^pictures\/originals\/[0-9a-f]{2}\/a~01f$/);
  expect(keys.of('inputs/0af1')).toMatch(/^pictures\/inputs\/[0-9a-f]{2}\/0af1$/);
  expect(createKeys('').of('a.png')).toMatch(/^[0-9a-f]{2}\/a\.png$/);
  const spread = new Set(Array.from({ length: 4_000 }, (_, index) => keys.of(`article-${index}.png`).slice(9, 11)));
  expect(spread.size).toBe(256);
});

it('gives every name a key that S3 and XML can hold, and the name back', () => {
  const file = fc.string({ unit: 'grapheme', minLength: 1, maxLength: 60 });
  const any = fc.tuple(fc.constantFrom('', 'originals/', 'inputs/'), file).map(([folder, name]) => folder + name);
  fc.assert(
    fc.property(any.filter(isStoredName), (name) => {
      const key = keys.of(name);
      expect(key).toMatch(/^[\w.~@%/-]+$/);
      expect(keys.nameOf(key)).toBe(name);
    }),
    { examples: [['a b+c%2F&?#.png'], ['ü.png'], ['\u0001\n"<>.png'], ['originals/%41']] },
  );
});

it('names what Easel cannot have stored so that no method takes it, and passes over what is no file', () => {
  for (const key of ['readme.png', '00/a.png', 'originals/a~1', 'zz/a.png', '3f/%zz', 'backup/3f/a.png', '3f/a/b']) {
    const name = keys.nameOf(`pictures/${key}`);
    expect(name).toBe(`/${key}`);
    expect(isStoredName(name ?? '')).toBe(false);
  }
  for (const key of [keys.mark, `${keys.probes}1`, 'pictures/folder/']) expect(keys.nameOf(key)).toBeNull();
});

it('refuses a name without a form in UTF-8', () => {
  expect(() => keys.of('\ud800.png')).toThrow(TypeError);
});
