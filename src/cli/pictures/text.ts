/** Texts as a terminal shows them. What came from outside may hold characters that would move its cursor, or worse. */

/** Names and their values, in order. */
export type Terms = readonly (readonly [name: string, value: string])[];

/** Characters that take two columns (Unicode Standard Annex #11, wide and fullwidth), and emoji that are shown as pictures. */
const WIDE = new RegExp(
  [
    String.raw`[\u1100-\u115f\u2e80-\u303e\u3041-\ua4cf\ua960-\ua97f\uac00-\ud7a3\uf900-\ufaff\ufe10-\ufe19\ufe30-\ufe6f]`,
    String.raw`[\uff01-\uff60\uffe0-\uffe6\u{16fe0}-\u{18dff}\u{1aff0}-\u{1b2ff}\u{20000}-\u{3fffd}]`,
    String.raw`\p{Emoji_Presentation}|\ufe0f`,
  ].join('|'),
  'u',
);
/** Control and format characters, and those that change the direction of what follows. */
const UNSEEN = /[\p{Cc}\p{Zl}\p{Zp}\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]+/gu;

const graphemes = new Intl.Segmenter('en', { granularity: 'grapheme' });

/** The text on one line, without characters that a terminal would act on. */
export function visible(text: string): string {
  return text.replaceAll(UNSEEN, ' ').trim();
}

/** The text with its lines as they are, without characters that a terminal would act on. */
export function visibleLines(text: string): string {
  return text
    .split('\n')
    .map((line) => line.replaceAll(UNSEEN, ' ').trimEnd())
    .join('\n');
}

/** The number of columns that a terminal needs for the text, which is `visible`. */
export function columnsOf(text: string): number {
  // Most are plain.
  if (/^[\x20-\x7e]*$/.test(text)) return text.length;
  return [...graphemes.segment(text)].reduce((sum, { segment }) => sum + widthOf(segment), 0);
}

/** The text, cut to `columns` where it needs more, with … for what is left out. */
export function cut(text: string, columns: number): string {
  if (columnsOf(text) <= columns) return text;
  let kept = '';
  let width = 0;
  for (const { segment } of graphemes.segment(text)) {
    width += widthOf(segment);
    if (width > columns - 1) break;
    kept += segment;
  }
  return `${kept.trimEnd()}…`;
}

function widthOf(grapheme: string): number {
  if (/^\p{Mn}+$/u.test(grapheme)) return 0;
  return WIDE.test(grapheme) ? 2 : 1;
}
