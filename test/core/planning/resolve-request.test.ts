import { describe, expect, it } from 'vitest';
import type { CreateImage, ImageRequest } from '../../../src/core/domain/request.ts';
import { BUILT_IN_PRESETS } from '../../../src/core/planning/built-in-presets.ts';
import { differingFields } from '../../../src/core/planning/differing-fields.ts';
import { findPreset, type Presets } from '../../../src/core/planning/presets.ts';
import { mergeBriefs, type RequestDefaults, resolveRequest } from '../../../src/core/planning/resolve-request.ts';
import { aReference } from '../../support/inputs.ts';

const recorded = {
  model: 'gpt-image-2',
  size: { width: 1792, height: 1024 },
  quality: 'auto',
  renditions: [{ width: 1200, height: 675, format: 'png' }],
} as const;
const defaults: RequestDefaults = { ...recorded, crop: 'centre' };
const resolve = (create: CreateImage) => resolveRequest(create, BUILT_IN_PRESETS, defaults);

describe('resolveRequest', () => {
  it("prefers the preset's crop to the configured one, and omits `centre`", () => {
    const icon = BUILT_IN_PRESETS.find(({ name }) => name === 'icon');
    if (!icon) throw new Error('no preset named icon');
    const presets: Presets = [
      icon,
      { ...icon, name: 'portrait', crop: 'attention' },
      { ...icon, name: 'poster', crop: 'centre' },
    ];
    const crops = (crop: RequestDefaults['crop']) =>
      ['icon', 'portrait', 'poster'].map(
        (preset) => resolveRequest({ prompt: 'x', preset }, presets, { ...defaults, crop }).crop,
      );
    expect(crops('centre')).toEqual([undefined, 'attention', undefined]);
    expect(crops('contain')).toEqual(['contain', 'attention', undefined]);
    // Requests stored before there were crop strategies are the same.
    expect(Object.keys(resolve({ prompt: 'x' }))).not.toContain('crop');
  });

  it('prefers the request to the preset, and the preset to the default', () => {
    expect(resolve({ prompt: 'x' })).toMatchObject({ ...recorded, preset: null, format: 'png' });
    expect(resolve({ prompt: 'x', preset: 'icon' })).toMatchObject({
      preset: 'icon@1',
      size: { width: 1024, height: 1024 },
      quality: 'medium',
    });
    expect(resolve({ prompt: 'x', preset: 'icon', quality: 'low', renditions: [] })).toMatchObject({
      quality: 'low',
      renditions: [],
    });
  });

  it.each([
    [{ prompt: 'x', preset: 'poster' }, 'invalid_request', 'preset'],
    [{ prompt: 'x', preset: 'icon@9' }, 'invalid_request', 'preset'],
    [{ prompt: 'x', background: 'transparent', format: 'jpeg' }, 'unsupported_parameter', 'format'],
    [
      { prompt: 'x', size: { width: 64, height: 64 }, renditions: [{ width: 640, height: 640, format: 'png' }] },
      'unsupported_parameter',
      'renditions.0',
    ],
  ] as const)('refuses %j', (create, code, path) => {
    expect(() => resolve(create)).toThrow(
      expect.objectContaining({ code, paths: [expect.objectContaining({ path })] }),
    );
  });

  it('takes null as left out', () => {
    const nothing = {
      preset: null,
      size: null,
      quality: null,
      renditions: null,
      labels: null,
      metadata: null,
      ttlSeconds: null,
    };
    expect(resolve({ prompt: 'x', brief: null, mediaId: null, ...nothing })).toEqual(resolve({ prompt: 'x' }));
  });

  it('does not refuse a small master because of the default renditions', () => {
    const small = resolve({ prompt: 'x', size: { width: 128, height: 72 } });
    expect(small.renditions).toEqual(defaults.renditions);
    // A record spells the defaults out, and its request is valid again.
    expect(differingFields(resolve({ ...small, preset: null }), small)).toEqual([]);
  });

  it('gives a master those of the default renditions that have its shape', () => {
    const wide = { width: 1200, height: 675, format: 'png' } as const;
    const square = { width: 512, height: 512, format: 'webp' } as const;
    const renditionsOf = (width: number, height: number) =>
      resolveRequest({ prompt: 'x', size: { width, height } }, [], { ...defaults, renditions: [wide, square] })
        .renditions;
    expect(renditionsOf(1792, 1024)).toEqual([wide]);
    expect(renditionsOf(1024, 1000)).toEqual([square]);
    expect(renditionsOf(1024, 1536)).toEqual([]);
  });

  it('keeps the renditions that the request or its preset names, whatever the size', () => {
    const size = { width: 1024, height: 1024 };
    expect(resolve({ prompt: 'x', size, renditions: defaults.renditions }).renditions).toEqual(defaults.renditions);
    expect(resolve({ prompt: 'x', size, preset: 'article-hero' }).renditions).toEqual(defaults.renditions);
  });

  it('says whether the renditions are the default ones', () => {
    expect(resolve({ prompt: 'x' })).toMatchObject({ hasDefaultRenditions: true });
    for (const create of [{ renditions: defaults.renditions }, { renditions: [] }, { preset: 'article-hero' }]) {
      expect(resolve({ prompt: 'x', ...create })).not.toHaveProperty('hasDefaultRenditions');
    }
  });
});

describe('mergeBriefs', () => {
  const preset = findPreset(BUILT_IN_PRESETS, 'article-hero')?.brief ?? null;

  it("prefers the caller's parts and joins the lists of what to avoid", () => {
    expect(mergeBriefs({ style: 'a', mood: 'b', avoid: ['x'] }, { style: 'c', avoid: ['x', 'y'] })).toEqual({
      style: 'c',
      mood: 'b',
      avoid: ['x', 'y'],
    });
  });

  it("does not let a preset avoid the text that the caller's brief shows", () => {
    expect(preset?.avoid).toContain('text');
    expect(mergeBriefs(preset, { text: 'OPEN DAY' })?.avoid).not.toContain('text');
  });

  it('comes out the same when its result is merged again, as when the request of a record is sent again', () => {
    const sign = { text: 'OPEN', avoid: ['text', 'people'] };
    for (const [own, caller] of [
      [preset, { text: 'OPEN DAY', avoid: ['logos'] }],
      [preset, { mood: 'calm' }],
      [sign, { mood: 'calm' }],
    ] as const) {
      const merged = mergeBriefs(own, caller);
      expect(mergeBriefs(own, merged)).toEqual(merged);
    }
  });

  it('is the only brief where the other is missing', () => {
    expect(mergeBriefs(null, { mood: 'calm' })).toEqual({ mood: 'calm' });
    expect(mergeBriefs(preset, null)).toBe(preset);
    expect(mergeBriefs(null, null)).toBeNull();
  });
});

describe("a preset's look", () => {
  const icon = findPreset(BUILT_IN_PRESETS, 'icon');
  if (!icon) throw new Error('no preset named icon');
  const logo = { file: 'brand/logo.png', ...aReference('logo') };
  const acme = {
    ...icon,
    name: 'acme',
    brief: { palette: ['teal', 'sand'] },
    references: [logo],
    require: ['the logo'],
    forbid: ['gradients'],
  };
  const resolveAcme = (create: CreateImage, changes: Partial<typeof acme> = {}) =>
    resolveRequest({ preset: 'acme', ...create }, [{ ...acme, ...changes }], defaults);

  it('is part of every request with it, beside a prompt too', () => {
    const look = { references: [aReference('logo')], require: ['the logo'], forbid: ['gradients'] };
    expect(resolveAcme({ prompt: 'x' })).toMatchObject({ ...look, brief: { palette: ['teal', 'sand'] } });
    expect(resolveAcme({ brief: { subject: 'x' } })).toMatchObject({
      ...look,
      brief: { subject: 'x', palette: ['teal', 'sand'] },
    });
    // The request has its own palette then; what is required and forbidden stands whatever it says.
    expect(
      resolveAcme({ brief: { palette: ['red'], avoid: ['people'], text: 'OPEN' } }, { forbid: ['text'] }),
    ).toMatchObject({
      brief: { palette: ['red'], avoid: ['people'] },
      forbid: ['text'],
    });
  });

  it('is absent from requests whose preset has none, so that requests stored before it existed are the same', () => {
    expect(Object.keys(resolve({ prompt: 'x', preset: 'icon' }))).not.toEqual(
      expect.arrayContaining([expect.stringMatching(/^(references|require|forbid)$/)]),
    );
  });

  it('cannot come from the request', () => {
    const given = { prompt: 'x', preset: 'icon', references: [aReference('a')], require: ['a'], forbid: ['b'] };
    expect(resolve(given)).toEqual(resolve({ prompt: 'x', preset: 'icon' }));
  });

  it('makes another request where content, use or words differ, and the same one where only a file has another name', () => {
    const before = resolveAcme({ prompt: 'x' });
    const differing = (changes: Partial<typeof acme>) => differingFields(before, resolveAcme({ prompt: 'x' }, changes));
    expect(differing({ references: [{ ...logo, file: 'brand/mark.png' }] })).toEqual([]);
    expect(differing({ references: [{ ...logo, ...aReference('other', { use: logo.use }) }] })).toEqual(['preset']);
    expect(differing({ references: [{ ...logo, use: 'otherwise' }] })).toEqual(['preset']);
    expect(differing({ references: [logo, { file: 'b.png', ...aReference('b') }] })).toEqual(['preset']);
    expect(differing({ require: ['a mark'] })).toEqual(['preset']);
    expect(differing({ forbid: [] })).toEqual(['preset']);
    // As it comes out of a database.
    expect(differingFields(JSON.parse(JSON.stringify(before)) as ImageRequest, before)).toEqual([]);
  });
});
