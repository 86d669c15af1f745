import { expect, it } from 'vitest';
import { BUILT_IN_PRESETS } from '../../../src/core/planning/built-in-presets.ts';
import { parsePresets } from '../../../src/core/planning/preset-file.ts';
import { findPreset } from '../../../src/core/planning/presets.ts';

const POSTER = { description: 'A poster.', size: '1024x1536' };

function read(file: unknown) {
  const parsed = parsePresets(file);
  return 'presets' in parsed ? parsed.presets : [];
}

it('fills in what a preset does not say', () => {
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

it('may say how a picture is brought to its shape', () => {
  expect(findPreset(read({ poster: { ...POSTER, crop: 'attention' } }), 'poster')?.crop).toBe('attention');
  expect(findPreset(read({ poster: POSTER }), 'poster')).not.toHaveProperty('crop');
});

it('has a built-in name go on from the built-in preset, which stays within reach', () => {
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
  ['no object', [], ['the file']],
  ['a name that cannot be asked for', { 'Poster@2': POSTER }, ['Poster@2']],
  ['nothing said', { poster: {} }, ['poster.description', 'poster.size']],
  ['no preset', { poster: 'x' }, ['poster']],
  [
    'unknown fields',
    { poster: { ...POSTER, colour: 1, brief: { mode: 'x' } } },
    ['poster.brief.mode', 'poster.colour'],
  ],
  ['a version that is taken', { icon: { version: 1 } }, ['icon.version']],
  ['no version for a built-in name', { icon: { size: '64x64' } }, ['icon.version']],
  ['a size that is none', { poster: { ...POSTER, size: '9x9' } }, ['poster.size']],
  ['a rendition that is none', { poster: { ...POSTER, renditions: ['64x64.png', '64x64'] } }, ['poster.renditions.1']],
  [
    'the same rendition twice',
    { poster: { ...POSTER, renditions: ['64x64.png', '64x64.png'] } },
    ['poster.renditions'],
  ],
  [
    'a rendition too large',
    { poster: { ...POSTER, renditions: ['64x64.png', '4096x4096.png'] } },
    ['poster.renditions.1'],
  ],
  ['a transparent jpeg', { poster: { ...POSTER, format: 'jpeg', background: 'transparent' } }, ['poster.format']],
  [
    'blank parts',
    { poster: { ...POSTER, brief: { style: ' ', avoid: [] } } },
    ['poster.brief.style', 'poster.brief.avoid'],
  ],
  ['several at once', { a: {}, icon: { version: 0 } }, ['a.description', 'a.size', 'icon.version']],
])('refuses %s, naming every path', (_name, file, paths) => {
  const parsed = parsePresets(file);
  expect('issues' in parsed && parsed.issues.map(({ path }) => path)).toEqual(paths);
});
