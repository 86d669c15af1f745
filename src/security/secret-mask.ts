/** Hides secrets in texts that leave the service: messages, records, logs and traces. */

/** What stands in the place of a secret. */
const MASK = '[secret]';

/** Shorter secrets are not looked for: they would be found in ordinary words. */
const SHORTEST_SECRET = 6;

/** The secrets of `easel keys create`, which are known here by their hash only. */
const EASEL_KEY = /\beasel_[\w-]{43}/g;

/** The secrets that this process knows. */
export interface SecretMask {
  /** Replaces every secret in the text, in each form that it may be written in, by `[secret]`. */
  readonly mask: (text: string) => string;
  /** Adds secrets that became known after the start. */
  readonly learn: (secrets: Iterable<string>) => void;
  /** All secrets, for the mask of another thread. */
  readonly known: () => readonly string[];
  /** Calls `listener` with secrets that were not known before, until the returned function is called. */
  readonly onLearn: (listener: (secrets: readonly string[]) => void) => () => void;
}

/**
 * A mask for these secrets: as they are, percent-encoded in any part, and JSON-escaped, once or twice, as in an answer that
 * quotes another; user and password (`user:password`) also in base64, as Basic authentication sends them. Takes a time in proportion
 * to the length of the text.
 */
export function createSecretMask(secrets: Iterable<string>): SecretMask {
  /** Longest first: one secret may begin with another. */
  let forms: readonly string[] = [];
  /** The forms as UTF-8, a character for each byte. */
  let bytes: readonly string[] = [];
  const known = new Set<string>();
  const listeners = new Set<(secrets: readonly string[]) => void>();

  function learn(given: Iterable<string>): void {
    const more = [...new Set(given)].filter((secret) => !known.has(secret));
    if (more.length === 0) return;
    for (const secret of more) known.add(secret);
    const all = new Set([...forms, ...more.flatMap(formsOf)]);
    forms = [...all].toSorted((a, b) => b.length - a.length);
    bytes = forms.map((form) => Buffer.from(form).toString('latin1'));
    for (const listener of [...listeners]) listener(more);
  }

  learn(secrets);
  return {
    mask(text) {
      let masked = text;
      for (const form of forms) if (masked.includes(form)) masked = masked.replaceAll(form, MASK);
      if (masked.includes('%')) masked = maskPercentEncoded(masked, bytes);
      return masked.includes('easel_') ? masked.replaceAll(EASEL_KEY, MASK) : masked;
    },
    learn,
    known: () => [...known],
    onLearn(listener) {
      listeners.add(listener);
      return () => void listeners.delete(listener);
    },
  };
}

/** The user and password of a URL: the password, and both as Basic authentication joins them. */
export function credentialsIn(url: string): readonly string[] {
  const { username, password } = URL.parse(url) ?? { username: '', password: '' };
  if (password === '') return username === '' ? [] : [username, decoded(username)];
  return [password, decoded(password), `${username}:${password}`, `${decoded(username)}:${decoded(password)}`];
}

function formsOf(secret: string): readonly string[] {
  if (secret.length < SHORTEST_SECRET) return [];
  const base64 = secret.includes(':') ? Buffer.from(secret).toString('base64') : secret;
  const plain = [secret, secret.replaceAll(' ', '+'), base64, base64.replace(/=+$/, '')];
  const once = plain.flatMap(jsonForms);
  return [...new Set([...plain, ...once, ...once.flatMap(jsonForms)])];
}

/**
 * Masks what is percent-encoded. Which characters are is up to the writer, so that the decoded text is searched and not the forms of a
 * secret. `secrets` and the decoded text have a character for each byte of UTF-8.
 */
function maskPercentEncoded(text: string, secrets: readonly string[]): string {
  const { decoded, starts } = decodePercent(text);
  const found = new Array<boolean>(decoded.length).fill(false);
  for (const secret of secrets) {
    for (let at = decoded.indexOf(secret); at !== -1; at = decoded.indexOf(secret, at + secret.length)) {
      found.fill(true, at, at + secret.length);
    }
  }
  let masked = '';
  let shownFrom = 0;
  for (let at = found.indexOf(true); at !== -1; at = found.indexOf(true, at)) {
    masked += text.slice(shownFrom, starts[at]) + MASK;
    while (found[at] === true) at += 1;
    shownFrom = starts[at] ?? text.length;
  }
  return masked + text.slice(shownFrom);
}

/** The text with its percent-encoding resolved, a character for each byte, and where each of these begins in the text. */
function decodePercent(text: string): { readonly decoded: string; readonly starts: readonly number[] } {
  const starts: number[] = [];
  let decoded = '';
  for (const { 0: token, index } of text.matchAll(/%[0-9a-f]{2}|./gisu)) {
    const isEscape = token.length === 3;
    const bytes = isEscape ? String.fromCharCode(Number.parseInt(token.slice(1), 16)) : utf8(token);
    decoded += bytes;
    for (let byte = 0; byte < bytes.length; byte += 1) starts.push(index);
  }
  return { decoded, starts };
}

function utf8(character: string): string {
  return character < '\x80' ? character : Buffer.from(character).toString('latin1');
}

/** The content of a JSON string; some encoders escape the slash as well. */
function jsonForms(text: string): readonly string[] {
  const escaped = JSON.stringify(text).slice(1, -1);
  return [escaped, escaped.replaceAll('/', '\\/')];
}

function decoded(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}
