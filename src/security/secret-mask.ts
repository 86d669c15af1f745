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
}

/**
 * A mask for these secrets: as they are, percent-encoded (also as in a form), and JSON-escaped, once or twice, as in an answer that
 * quotes another; user and password (`user:password`) also in base64, as Basic authentication sends them. Takes a time in proportion
 * to the length of the text.
 */
export function createSecretMask(secrets: Iterable<string>): SecretMask {
  /** Longest first: one secret may begin with another. */
  let forms: readonly string[] = [];

  function learn(more: Iterable<string>): void {
    const all = new Set([...forms, ...[...more].flatMap(formsOf)]);
    forms = [...all].toSorted((a, b) => b.length - a.length);
  }

  learn(secrets);
  return {
    mask(text) {
      let masked = text;
      for (const form of forms) if (masked.includes(form)) masked = masked.replaceAll(form, MASK);
      return masked.includes('easel_') ? masked.replaceAll(EASEL_KEY, MASK) : masked;
    },
    learn,
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
  const percent = [encodeURIComponent(secret.toWellFormed()), encodeURI(secret.toWellFormed()), formEncoded(secret)];
  const base64 = secret.includes(':') ? Buffer.from(secret).toString('base64') : secret;
  const plain = [secret, ...percent, ...percent.map(inLowerHex), base64, base64.replace(/=+$/, '')];
  const once = plain.flatMap(jsonForms);
  return [...new Set([...plain, ...once, ...once.flatMap(jsonForms)])];
}

/** As forms and `URLSearchParams` write it: a space is a plus sign, and fewer characters stay as they are. */
function formEncoded(secret: string): string {
  return new URLSearchParams([['', secret]]).toString().slice(1);
}

function inLowerHex(encoded: string): string {
  return encoded.replaceAll(/%[0-9A-F]{2}/g, (byte) => byte.toLowerCase());
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
