import { describe, expect, it } from 'vitest';
import { buildPrompt, type PromptParts } from '../../../src/core/planning/prompt.ts';

const parts = (overrides: Partial<PromptParts>): PromptParts => ({
  prompt: null,
  brief: null,
  inputs: 0,
  references: [],
  require: [],
  forbid: [],
  additions: [],
  crops: [],
  ...overrides,
});

describe('buildPrompt', () => {
  it('sends a plain prompt unchanged', () => {
    expect(buildPrompt(parts({ prompt: '  a lighthouse,\n at dusk ' }))).toBe('  a lighthouse,\n at dusk ');
  });

  it('writes each part of a brief once, on its own line', () => {
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

  it('asks for calm margins where crops will cut, the widest of all crops on each edge', () => {
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
      'a tree\nThe picture will be cropped by about 5% at the left, 20% at the top, 10% at the bottom: keep these margins calm and ' +
        'everything important away from them.',
    );
  });

  it.each([
    ['nothing', 0, 'a tree'],
    ['less than 2 % at an edge', 19, 'a tree'],
    ['2 % at an edge', 20, expect.stringContaining('cropped by about 2% at the top: keep')],
  ])('asks for no margin where a crop removes less than 2 %%: %s', (_, top, prompt) => {
    const from = { width: 1000, height: 1000 };
    const crop = { left: 0, top, width: 1000, height: 1000 - top };
    expect(buildPrompt(parts({ prompt: 'a tree', crops: [{ from, crop }] }))).toEqual(prompt);
  });

  const logo = { use: "the brand's logo, small at the lower right" };
  const paper = { use: 'the paper that everything is printed on!' };

  it("says what each reference is for, by its place after the caller's inputs", () => {
    expect(buildPrompt(parts({ prompt: 'a mug', inputs: 2, references: [logo, paper] }))).toBe(
      [
        'a mug',
        "Image 3 is a reference: the brand's logo, small at the lower right.",
        'Image 4 is a reference: the paper that everything is printed on!',
      ].join('\n'),
    );
  });

  it('asks for a new picture where there are references alone, which an edit would change', () => {
    expect(buildPrompt(parts({ prompt: 'a mug', references: [logo] }))).toBe(
      [
        'a mug',
        'Make a new picture; the images given are references for it.',
        "Image 1 is a reference: the brand's logo, small at the lower right.",
      ].join('\n'),
    );
  });

  it('writes what is required, and joins what is forbidden with what is to be avoided, each once', () => {
    const look = { require: ['the logo', 'a flat ground'], forbid: ['gradients', 'people'] };
    const brief = { subject: 'a mug', avoid: ['people', 'text'] };
    expect(buildPrompt(parts({ brief, ...look, additions: ['Style: vivid.'] }))).toBe(
      [
        'a mug',
        'Style: vivid.',
        'Required in the picture: the logo; a flat ground.',
        'Avoid: people, text, gradients.',
      ].join('\n'),
    );
    expect(buildPrompt(parts({ prompt: 'a mug', forbid: look.forbid }))).toBe('a mug\nAvoid: gradients, people.');
  });
});
