/** Characters of the prompt in a row that are hidden; shorter parts are ordinary words. */
const LONG_PART = 12;
/** A prompt of fewer characters is left alone: it says nothing, and would be found in every sentence. */
const SHORTEST_PROMPT = 4;

/**
 * The text without the prompt that it quotes: each part of `LONG_PART` characters or more that stands in the prompt as well becomes
 * `[prompt]`, and so does a shorter prompt as a whole. Case and white space do not count.
 */
export function hidePrompt(text: string, prompt: string): string {
  const sought = fold(prompt.trim());
  if (sought.length < SHORTEST_PROMPT) return text;
  const length = Math.min(LONG_PART, sought.length);
  const source = withSingleSpaces(text);
  const searched = fold(source);
  let shown = '';
  let at = 0;
  while (at < searched.length) {
    let end = at + length;
    if (end > searched.length || !sought.includes(searched.slice(at, end))) {
      shown += source[at];
      at += 1;
      continue;
    }
    while (end < searched.length && sought.includes(searched.slice(at, end + 1))) end += 1;
    shown += '[prompt]';
    at = end;
  }
  return shown;
}

function withSingleSpaces(text: string): string {
  return text.replaceAll(/\s+/g, ' ');
}

/** With single spaces, and in lower case where that keeps the length: positions stay those of the text with single spaces. */
function fold(text: string): string {
  const lower = (character: string) => {
    const changed = character.toLowerCase();
    return changed.length === character.length ? changed : character;
  };
  return Array.from(withSingleSpaces(text), lower).join('');
}
