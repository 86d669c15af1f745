import { describe, expect, it } from 'vitest';
import { BUILT_IN_PRESETS } from '../../../src/core/planning/built-in-presets.ts';
import { findPreset, mergeBriefs } from '../../../src/core/planning/presets.ts';
import { buildPrompt, type PromptParts } from '../../../src/core/planning/prompt.ts';

const parts = (some: Partial<PromptParts>): PromptParts => ({
  prompt: null,
  brief: null,
  additions: [],
  crops: [],
  ...some,
});

describe('buildPrompt', () => {
  it('sends a plain prompt exactly as it came', () => {
    expect(buildPrompt(parts({ prompt: '  a lighthouse,\n at dusk ' }))).toBe('  a lighthouse,\n at dusk ');
  });

  it('writes every part of a brief, once, each on a line of its own', () => {
    const brief = {
      subject: 'a lighthouse on a cliff',
      style: 'gouache',
      mood: 'calm',
      palette: ['teal', 'amber'],
      composition: 'low horizon',
      lighting: 'dusk!',
      avoid: ['people', 'ships'],
      text: 'OPEN "DAY"',
    };
    expect(buildPrompt(parts({ brief, additions: ['Style: vivid.'] }))).toBe(
      [
        'a lighthouse on a cliff',
        'Style: gouache.',
        'Mood: calm.',
        'Colour palette: teal, amber.',
        'Composition: low horizon.',
        'Lighting: dusk!',
        'Show exactly this text, spelled as it stands here: "OPEN "DAY"".',
        'Style: vivid.',
        'Avoid: people, ships.',
      ].join('\n'),
    );
  });

  it('asks for calm margins where a crop will fall, the widest of all crops on each edge', () => {
    const from = { width: 1000, height: 1000 };
    const text = buildPrompt(
      parts({
        prompt: 'a tree',
        crops: [
          { from, crop: { left: 0, top: 100, width: 1000, height: 800 } },
          { from, crop: { left: 50, top: 200, width: 950, height: 790 } },
        ],
      }),
    );
    expect(text).toBe(
      'a tree\nThe picture will be cropped by about 5% at the left, 20% at the top, 10% at the bottom: keep these margins calm and everything important away from them.',
    );
  });

  it('says nothing of a crop that takes nothing away', () => {
    const from = { width: 10, height: 10 };
    expect(buildPrompt(parts({ prompt: 'a tree', crops: [{ from, crop: { left: 0, top: 0, ...from } }] }))).toBe(
      'a tree',
    );
  });
});

describe('mergeBriefs', () => {
  const preset = findPreset(BUILT_IN_PRESETS, 'article-hero')?.brief ?? null;

  it("lets the caller's parts win and adds up what is unwanted", () => {
    expect(mergeBriefs({ style: 'a', mood: 'b', avoid: ['x'] }, { style: 'c', avoid: ['x', 'y'] })).toEqual({
      style: 'c',
      mood: 'b',
      avoid: ['x', 'y'],
    });
  });

  it('does not let a preset forbid the text that the caller wants to read', () => {
    expect(preset?.avoid).toContain('text');
    expect(mergeBriefs(preset, { text: 'OPEN DAY' })?.avoid).not.toContain('text');
  });

  it('is the other where one is missing', () => {
    expect(mergeBriefs(null, { mood: 'calm' })).toEqual({ mood: 'calm' });
    expect(mergeBriefs(preset, null)).toBe(preset);
    expect(mergeBriefs(null, null)).toBeNull();
  });
});
