import type { ImageRecord } from '../service/types.ts';

/** Longest text of an alt, in characters. Screen readers read it in one go. */
const ALT_LENGTH = 150;
const TITLE_LENGTH = 80;

type Named = Pick<ImageRecord, 'prompt'> & {
  readonly request: Pick<ImageRecord['request'], 'prompt' | 'brief'>;
};

/** What the picture shows, in the caller's own words: the brief's subject, else the prompt; in one line, not shortened. */
export function subjectOf({ prompt, request }: Named): string {
  return [request.brief?.subject, request.prompt, prompt].map(inOneLine).find((text) => text !== '') ?? 'a picture';
}

/** The alternative text of a picture. */
export function altOf(record: Named): string {
  return shortened(subjectOf(record), ALT_LENGTH);
}

/** The title of a picture: the beginning of what it shows. */
export function titleOf(record: Named): string {
  return shortened(subjectOf(record), TITLE_LENGTH);
}

/** A text of at most `length` characters: cut after a word where one ends in its last third, with an ellipsis for the rest. */
export function shortened(text: string, length: number): string {
  const characters = Array.from(text);
  if (characters.length <= length) return text;
  const cut = characters.slice(0, length - 1).join('');
  const lastSpace = cut.lastIndexOf(' ');
  const kept = lastSpace > (cut.length * 2) / 3 ? cut.slice(0, lastSpace) : cut;
  return `${kept.replace(/[\s,;:.–-]+$/u, '')}…`;
}

function inOneLine(text: string | null | undefined): string {
  return (text ?? '').replace(/\s+/gu, ' ').trim();
}
