import { describe, expect, it } from 'vitest';
import { altOf, shortened, subjectOf } from '../../../src/web/ui/picture-name.ts';

const named = (prompt: string | null, brief: { subject?: string; mood?: string } | null, sent = 'what is sent') => ({
  prompt: sent,
  request: { prompt, brief },
});

describe('subjectOf', () => {
  it("takes the brief's subject, else the caller's prompt, else the prompt that is sent, in one line", () => {
    expect(subjectOf(named(null, { subject: 'a\n lighthouse ' }))).toBe('a lighthouse');
    expect(subjectOf(named('a boat', null))).toBe('a boat');
    expect(subjectOf(named(null, { mood: 'calm' }))).toBe('what is sent');
    expect(subjectOf(named(null, null, ' '))).toBe('a picture');
  });
});

describe('shortened', () => {
  it('keeps a text that fits', () => {
    expect(shortened('a boat', 6)).toBe('a boat');
  });

  it('cuts after a word, without the punctuation before the ellipsis', () => {
    expect(shortened('a boat on the lake, with a sail', 22)).toBe('a boat on the lake…');
  });

  it('cuts inside of a word that is too long, and never inside of a character', () => {
    expect(shortened('x'.repeat(20), 10)).toBe(`${'x'.repeat(9)}…`);
    expect(shortened('🏮'.repeat(20), 10)).toBe(`${'🏮'.repeat(9)}…`);
  });
});

it('altOf is at most 150 characters', () => {
  expect(altOf(named('word '.repeat(100), null)).length).toBeLessThanOrEqual(150);
});
