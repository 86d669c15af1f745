/** Replaces every secret of the configuration, in any form that it may be written in. */
export type MaskSecrets = (text: string) => string;

/** Characters that are searched beyond those that are kept: what is masked and white space make room for what follows them. */
const MORE_SEARCHED = 16_384;

/** No secret is longer than this in any form. */
const LONGEST_SECRET = 4_096;

/**
 * What is kept of a text that came from outside: at most `limit` characters on one line, without secrets. The text is cut before it is
 * searched, so that its length costs no time, and cut to the limit only after it is masked: of a secret that a cut goes through, the
 * mask would find nothing.
 */
export function keepOutsideText(text: string, limit: number, maskSecrets: MaskSecrets): string {
  return maskWindow(text, limit, maskSecrets).replaceAll(/\s+/g, ' ').slice(0, limit);
}

/** `keepOutsideText` with the lines of the text as they are. */
export function keepOutsideLines(text: string, limit: number, maskSecrets: MaskSecrets): string {
  return maskWindow(text, limit, maskSecrets).slice(0, limit);
}

function maskWindow(text: string, limit: number, maskSecrets: MaskSecrets): string {
  const window = limit + MORE_SEARCHED;
  const masked = maskSecrets(text.slice(0, window));
  // The window may end inside of a secret.
  return text.length <= window ? masked : masked.slice(0, Math.max(0, masked.length - LONGEST_SECRET));
}
