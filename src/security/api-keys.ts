/**
 * API keys, as they are written: `name:secret:scope+scope`, the secret in plain text or as `sha256-…`.
 *
 * Secrets are only ever kept as SHA-256. A slow hash is for passwords, which can be guessed; a secret made here has 256 random
 * bits, which cannot.
 */

import { createHash, randomBytes, timingSafeEqual } from 'node:crypto';

/** `admin` includes the other two. */
export const SCOPES = ['generate', 'read', 'admin'] as const;
export type Scope = (typeof SCOPES)[number];

/** Access to an operator's route, such as the metrics: open to everyone, or only to keys with `admin`. */
export const ACCESS_LEVELS = ['open', 'admin'] as const;
export type Access = (typeof ACCESS_LEVELS)[number];

export interface ApiKey {
  /** Owns what was made with the key. */
  readonly name: string;
  /** SHA-256 of the secret. */
  readonly hash: Uint8Array;
  readonly scopes: readonly Scope[];
}

const NAME = /^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$/;
const NAME_RULE = 'the name must be 1 to 64 of A-Z, a-z, 0-9, ".", "_" and "-", and begin with a letter or digit';
/** Owns what was made while there were no keys: nobody comes by that through a name. */
const ANONYMOUS_NAME = 'anonymous';
/** What may stand in an HTTP header, without spaces. */
const SECRET = /^[\x21-\x7e]+$/;
const HASH = /^sha256-([A-Za-z0-9_-]{43})$/;

/** Whether a key with these scopes may do what needs `scope`. */
export function allows(scopes: readonly Scope[], scope: Scope): boolean {
  return scopes.includes(scope) || scopes.includes('admin');
}

/** The key with this secret. Every key is compared, in constant time, so that time tells nothing about any of them. */
export function findKey(keys: readonly ApiKey[], secret: string): ApiKey | null {
  const hash = sha256(secret);
  let found: ApiKey | null = null;
  for (const key of keys) if (timingSafeEqual(key.hash, hash)) found = key;
  return found;
}

/** Reads `API_KEYS`: entries with commas between. Gives every fault, by the number of its entry; never a part of an entry. */
export function parseKeys(text: string): { readonly keys: readonly ApiKey[]; readonly issues: readonly string[] } {
  return readEntries(text.split(',').map((entry, at) => ({ entry: entry.trim(), where: `entry ${at + 1}` })));
}

/** Reads a file of keys, one a line; empty lines, and those that begin with `#`, do not count. Faults as with `parseKeys`. */
export function parseKeyFile(text: string): ReturnType<typeof parseKeys> {
  const lines = text.split('\n').map((line, at) => ({ entry: line.trim(), where: `line ${at + 1}` }));
  return readEntries(lines.filter(({ entry }) => entry !== '' && !entry.startsWith('#')));
}

/** What makes these keys, each by itself right, wrong together, by the names of the keys. */
export function findConflicts(keys: readonly ApiKey[]): readonly string[] {
  return keys.flatMap((key, at) => {
    const before = keys.slice(0, at);
    if (before.some(({ hash }) => timingSafeEqual(hash, key.hash))) return [`${key.name}: its secret is in use twice`];
    // Two secrets under one name let clients change over one by one; two rights under one name are a slip.
    const sameName = before.find(({ name }) => name === key.name);
    const same = sameName === undefined || scopesText(sameName) === scopesText(key);
    return same ? [] : [`${key.name}: stands twice, with different scopes`];
  });
}

/** A name or a scope that no key can have. */
export class InvalidKeyError extends Error {
  override readonly name = 'InvalidKeyError';
}

/** A new key: its secret, which is kept nowhere, and its line for the file. Raises `InvalidKeyError`. */
export function createKey(name: string, scopes: string): { readonly secret: string; readonly line: string } {
  const secret = `easel_${randomBytes(32).toString('base64url')}`;
  const line = `${name}:sha256-${Buffer.from(sha256(secret)).toString('base64url')}:${scopes}`;
  const read = NAME.test(name) ? readEntry(line) : NAME_RULE;
  if (typeof read === 'string') throw new InvalidKeyError(read);
  return { secret, line };
}

function readEntries(entries: readonly { readonly entry: string; readonly where: string }[]) {
  const keys: ApiKey[] = [];
  const issues: string[] = [];
  for (const { entry, where } of entries) {
    const read = readEntry(entry);
    if (typeof read === 'string') issues.push(`${where}: ${read}`);
    else keys.push(read);
  }
  return { keys, issues: [...issues, ...findConflicts(keys)] };
}

/** The key, or what is wrong with the entry. */
function readEntry(entry: string): ApiKey | string {
  // The name and the scopes hold no colon; the secret may.
  const [, name, secret = '', scopeList = ''] = /^([^:]*):(.*):([^:]*)$/s.exec(entry) ?? [];
  if (name === undefined) return 'must be name:secret:scope+scope';
  if (!NAME.test(name)) return NAME_RULE;
  if (name === ANONYMOUS_NAME) return `no key can be named ${ANONYMOUS_NAME}`;
  if (!SECRET.test(secret)) return 'the secret must be one or more visible ASCII characters, without spaces';
  const scopes = scopeList.split('+');
  if (!scopes.every(isScope)) return `the scopes must be of ${SCOPES.join(', ')}, with + between`;
  const digest = HASH.exec(secret)?.[1];
  const hash = digest === undefined ? sha256(secret) : Buffer.from(digest, 'base64url');
  return { name, hash, scopes };
}

function isScope(text: string): text is Scope {
  return SCOPES.some((scope) => scope === text);
}

function scopesText({ scopes }: ApiKey): string {
  return scopes.toSorted().join('+');
}

function sha256(text: string): Uint8Array {
  return createHash('sha256').update(text).digest();
}
