import { expect, it } from 'vitest';
import { BUILT_IN_PRESETS } from '../../../src/core/planning/built-in-presets.ts';
import { parsePresets } from '../../../src/core/planning/preset-file.ts';
import { findPreset } from '../../../src/core/planning/presets.ts';

const POSTER = { description: 'A poster.', size: '1024x1536' };

function read(file: unknown) {
  const parsed = parsePresets(file);
  return 'presets' in parsed ? parsed.presets : [];
}

it('fills in defaults for a custom preset', () => {
  expect(findPreset(read({ poster: POSTER }), 'poster')).toMatchObject({
    name: 'poster',
    version: 1,
    size: { width: 1024, height: 1536 },
    renditions: [],
    quality: 'auto',
    background: 'auto',
    format: 'png',
    brief: {},
  });
});

it('reads an optional crop strategy', () => {
  expect(findPreset(read({ poster: { ...POSTER, crop: 'attention' } }), 'poster')?.crop).toBe('attention');
  expect(findPreset(read({ poster: POSTER }), 'poster')).not.toHaveProperty('crop');
});

it('reads the look of a brand, and leaves its pictures to be read', () => {
  const look = {
    references: [
      { file: 'brand/logo.png', use: "the brand's logo" },
      { file: '..paper.webp', use: 'the paper' },
    ],
    require: ['the logo'],
    forbid: ['gradients', 'people'],
  };
  expect(findPreset(read({ acme: { ...POSTER, ...look } }), 'acme')).toMatchObject(look);
  expect(findPreset(read({ icon: { version: 2, ...look } }), 'icon')).toMatchObject(look);
  expect(Object.keys(findPreset(read({ poster: POSTER }), 'poster') ?? {})).not.toContain('references');
});

it('inherits from the built-in preset of the same name, which stays available by its version', () => {
  const presets = read({ icon: { version: 3, size: '512x512', brief: { style: 'woodcut' } } });
  const builtIn = findPreset(BUILT_IN_PRESETS, 'icon');
  expect(findPreset(presets, 'icon')).toEqual({
    ...builtIn,
    version: 3,
    size: { width: 512, height: 512 },
    brief: { style: 'woodcut' },
  });
  expect(findPreset(presets, 'icon@1')).toBe(builtIn);
  expect(findPreset(presets, 'icon@2')).toBeNull();
});

it.each<[string, unknown, readonly string[]]>([
  ['a file that is not an object', [], ['the file']],
  ['a name that requests cannot use', { 'Poster@2': POSTER }, ['Poster@2']],
  ['missing required fields', { poster: {} }, ['poster.description', 'poster.size']],
  ['a preset that is not an object', { poster: 'x' }, ['poster']],
  [
    'unknown fields',
    { poster: { ...POSTER, colour: 1, brief: { mode: 'x' } } },
    ['poster.brief.mode', 'poster.colour'],
  ],
  ['the version of the built-in preset', { icon: { version: 1 } }, ['icon.version']],
  ['a missing version for a built-in name', { icon: { size: '64x64' } }, ['icon.version']],
  ['an invalid size', { poster: { ...POSTER, size: '9x9' } }, ['poster.size']],
  ['an invalid rendition', { poster: { ...POSTER, renditions: ['64x64.png', '64x64'] } }, ['poster.renditions.1']],
  [
    'the same rendition twice',
    { poster: { ...POSTER, renditions: ['64x64.png', '64x64.png'] } },
    ['poster.renditions'],
  ],
  [
    'an oversized rendition',
    { poster: { ...POSTER, renditions: ['64x64.png', '4096x4096.png'] } },
    ['poster.renditions.1'],
  ],
  ['a transparent jpeg', { poster: { ...POSTER, format: 'jpeg', background: 'transparent' } }, ['poster.format']],
  [
    'blank parts of a brief',
    { poster: { ...POSTER, brief: { style: ' ', avoid: [] } } },
    ['poster.brief.style', 'poster.brief.avoid'],
  ],
  ['blank words of a look', { acme: { ...POSTER, require: [' '], forbid: [] } }, ['acme.require.0', 'acme.forbid']],
  ['an empty list of references', { acme: { ...POSTER, references: [] } }, ['acme.references']],
  [
    'references without use, and with unknown fields',
    { acme: { ...POSTER, references: [{ file: 'a.png' }, { file: 'b.png', use: 'x', url: 'y' }, 'c.png'] } },
    ['acme.references.0.use', 'acme.references.1.url', 'acme.references.2'],
  ],
  [
    'the same file twice',
    {
      acme: {
        ...POSTER,
        references: [
          { file: 'a.png', use: 'x' },
          { file: 'a.png', use: 'y' },
        ],
      },
    },
    ['acme.references'],
  ],
  ...[
    '/etc/logo.png',
    '\\\\server\\logo.png',
    'C:\\logo.png',
    '../logo.png',
    'brand/../../logo.png',
    'brand\\..\\logo.png',
    '..',
    '',
    'a\0.png',
    'x'.repeat(501),
  ].map((file): [string, unknown, readonly string[]] => [
    `the path ${JSON.stringify(file.slice(0, 30))}`,
    { acme: { ...POSTER, references: [{ file, use: 'x' }] } },
    ['acme.references.0.file'],
  ]),
  ['issues of several presets', { a: {}, icon: { version: 0 } }, ['a.description', 'a.size', 'icon.version']],
])('refuses %s and names every path', (_name, file, paths) => {
  const parsed = parsePresets(file);
  expect('issues' in parsed && parsed.issues.map(({ path }) => path)).toEqual(paths);
});
