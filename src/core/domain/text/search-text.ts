/**
 * The search by words and by preset in lists of images. Text is folded here and nowhere else, so that every database finds the same: a
 * folded word is then looked for as it is, byte by byte, and no character of it has a meaning.
 */

import type { Image } from '../image.ts';
import type { Brief } from '../request.ts';

/** What is searched in one image, as it is stored beside it. */
export interface SearchEntry {
  /** The folded texts, a line each. */
  readonly words: string;
  /** `name@version`; null for none. */
  readonly preset: string | null;
}

/** What a list is searched for. */
export interface Search {
  /** Folded; an image has to have every one of them. */
  readonly words: readonly string[];
  /** `name@` or `name@version@`, which its preset has to begin with where an @ is put behind that; null for any. */
  readonly preset: string | null;
}

type Searched = Pick<Image, 'prompt'> & { readonly request: Pick<Image['request'], 'prompt' | 'brief' | 'preset'> };

/** What is searched in an image: the caller's prompt, the texts of the brief, and the prompt that is sent. */
export function searchEntryOf({ prompt, request }: Searched): SearchEntry {
  const texts = [prompt, request.prompt ?? '', ...briefTexts(request.brief)].map(folded);
  // The prompt that is sent holds most of the others. A word is never on two lines, so that a line within another adds none.
  const lines = texts.filter((text, index) => !texts.some((other, at) => isWithin(text, index, other, at)));
  return { words: lines.join('\n'), preset: request.preset };
}

function isWithin(text: string, index: number, other: string, at: number): boolean {
  return at !== index && other.includes(text) && (other !== text || at < index);
}

function briefTexts(brief: Brief | null): readonly string[] {
  return brief === null ? [] : Object.values(brief).flat();
}

/** The filters of a list that search. */
export interface SearchFilters {
  /** Every word of it occurs in the caller's prompt, in the prompt that is sent, or in a text of the brief, whatever its case. */
  readonly q?: string | undefined;
  /** A preset by its name, in any version, or by `name@version`. */
  readonly preset?: string | undefined;
}

/** What the filters of a list are looked for by; null where they name neither words nor a preset. */
export function searchOf({ q, preset }: SearchFilters): Search | null {
  if (q === undefined && preset === undefined) return null;
  return { words: q === undefined ? [] : wordsOf(q), preset: preset === undefined ? null : `${preset}@` };
}

/** The folded words of a text, each once. */
function wordsOf(text: string): readonly string[] {
  return [...new Set(folded(text).split(/\s+/u))].filter((word) => word !== '');
}

/** Whether the search finds an image with this entry. */
export function isFound({ words, preset }: Search, entry: SearchEntry): boolean {
  if (preset !== null && (entry.preset === null || !`${entry.preset}@`.startsWith(preset))) return false;
  return words.every((word) => entry.words.includes(word));
}

/**
 * The text without differences of case, by full case folding of Unicode: ß is ss, ς is σ, and the four letters I of Turkish are one.
 * Canonically equivalent texts are folded to the same one. What not every database stores as it is, NUL and halves of surrogate pairs,
 * becomes U+FFFD.
 */
export function folded(text: string): string {
  // From below, as ẞ has a lower case alone, whose upper case is SS.
  const cased = text
    .toWellFormed()
    .replaceAll('\0', '\ufffd')
    .normalize('NFD')
    .toLowerCase()
    .toUpperCase()
    .toLowerCase();
  return cased.replaceAll('ς', 'σ').replaceAll('i\u0307', 'i').normalize('NFC');
}
