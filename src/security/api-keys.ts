/**
 * API keys in their text form, `name:secret:scope+scope`, with the secret in plain text or as `sha256-…`.
 *
 * Keys are kept and compared as the SHA-256 of their secrets. A slow password hash would add nothing: it protects secrets that can be
 * guessed, and a secret made by `createKey` has 256 random bits.
 */

import { createHash, randomBytes, timingSafeEqual } from 'node:crypto';
import { ANONYMOUS } from '../core/domain/request.ts';

/**
 * What a key may do: have pictures made and change its own (`generate`), see its own (`read`) or everyone's (`read-all`), read
 * `/metrics`, or everything (`admin`).
 */
export const SCOPES = ['generate', 'read', 'read-all', 'metrics', 'admin'] as const;
export type Scope = (typeof SCOPES)[number];

/** Access to the metrics and to the docs: open to everyone, or to keys that may have them. */
export const ACCESS_LEVELS = ['open', 'keyed'] as const;
export type Access = (typeof ACCESS_LEVELS)[number];

export interface ApiKey {
  /** Owner of the images that are made with the key. Several keys may have one name, each with scopes of its own. */
  readonly name: string;
  /** SHA-256 of the secret. */
  readonly hash: Uint8Array;
  readonly scopes: readonly Scope[];
}

/** Finds the API key of a request. */
export interface Keys {
  /** False when no keys are configured: every caller may then do everything. */
  readonly inUse: boolean;
  /** The key with this secret, or null. */
  find(secret: string): ApiKey | null;
}

/** True when a key with these scopes may do what needs `scope`: `read-all` includes `read`, and `admin` every scope. */
export function allows(scopes: readonly Scope[], scope: Scope): boolean {
  return scopes.includes(scope) || scopes.includes('admin') || (scope === 'read' && scopes.includes('read-all'));
}

/** The scopes that a key with these has in effect, those that others include among them, in the order of `SCOPES`. */
export function effectiveScopes(scopes: readonly Scope[]): readonly Scope[] {
  return SCOPES.filter((scope) => allows(scopes, scope));
}

/** The key with this secret, or null. Compares every key in constant time, so that the duration reveals nothing about the keys. */
export function findKey(keys: readonly ApiKey[], secret: string): ApiKey | null {
  const hash = sha256(secret);
  let found: ApiKey | null = null;
  for (const key of keys) if (timingSafeEqual(key.hash, hash)) found = key;
  return found;
}

/** What a text with keys holds. */
interface ParsedKeys {
  readonly keys: readonly ApiKey[];
  /** The secrets that are given in plain text. They are needed only to mask them where they appear. */
  readonly secrets: readonly string[];
  readonly issues: readonly string[];
}

/** Parses `API_KEYS`, comma-separated entries. Reports every issue by the number of its entry and never quotes an entry. */
export function parseKeys(text: string): ParsedKeys {
  return parseEntries(text.split(',').map((entry, index) => ({ entry: entry.trim(), where: `entry ${index + 1}` })));
}

/** Parses a key file, one entry a line, ignoring empty lines and lines that begin with `#`. Reports issues by line number. */
export function parseKeyFile(text: string): ParsedKeys {
  const lines = text.split('\n').map((line, index) => ({ entry: line.trim(), where: `line ${index + 1}` }));
  return parseEntries(lines.filter(({ entry }) => entry !== '' && !entry.startsWith('#')));
}

/** Conflicts between keys that are valid on their own: a secret that is used twice. */
export function findConflicts(keys: readonly ApiKey[]): readonly string[] {
  return keys.flatMap((key, index) => {
    const isUsed = keys.slice(0, index).some(({ hash }) => timingSafeEqual(hash, key.hash));
    return isUsed ? [`${key.name}: its secret is in use twice`] : [];
  });
}

/** Raised by `createKey` for a name or a scope that no key can have. */
export class InvalidKeyError extends Error {
  override readonly name = 'InvalidKeyError';
}

/**
 * A new key: its secret, which is stored nowhere, and its line for the key file. `scopes` are joined by `+`.
 * Raises `InvalidKeyError` for an invalid name or scope.
 */
export function createKey(name: string, scopes: string): { readonly secret: string; readonly line: string } {
  const secret = `easel_${randomBytes(32).toString('base64url')}`;
  const line = `${name}:sha256-${Buffer.from(sha256(secret)).toString('base64url')}:${scopes}`;
  const parsed = NAME.test(name) ? parseEntry(line) : NAME_RULE;
  if (typeof parsed === 'string') throw new InvalidKeyError(parsed);
  return { secret, line };
}

function parseEntries(entries: readonly { readonly entry: string; readonly where: string }[]): ParsedKeys {
  const keys: ApiKey[] = [];
  const secrets: string[] = [];
  const issues: string[] = [];
  for (const { entry, where } of entries) {
    const parsed = parseEntry(entry);
    if (typeof parsed === 'string') issues.push(`${where}: ${parsed}`);
    else {
      keys.push(parsed.key);
      if (parsed.secret !== null) secrets.push(parsed.secret);
    }
  }
  return { keys, secrets, issues: [...issues, ...findConflicts(keys)] };
}

const NAME = /^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$/;
const NAME_RULE = 'the name must be 1 to 64 of A-Z, a-z, 0-9, ".", "_" and "-", and begin with a letter or digit';
/** Visible ASCII: what an HTTP header may hold, without spaces. */
const SECRET = /^[\x21-\x7e]+$/;
const HASH = /^sha256-([A-Za-z0-9_-]{43})$/;

/** The key with its secret, null where that is given as a hash, or the issue with the entry. */
function parseEntry(entry: string): { readonly key: ApiKey; readonly secret: string | null } | string {
  // The secret may contain colons; name and scopes cannot.
  const [, name, secret = '', scopeList = ''] = /^([^:]*):(.*):([^:]*)$/s.exec(entry) ?? [];
  if (name === undefined) return 'must be name:secret:scope+scope';
  if (!NAME.test(name)) return NAME_RULE;
  if (name === ANONYMOUS.name) return `no key can be named ${name}`;
  if (!SECRET.test(secret)) return 'the secret must be one or more visible ASCII characters, without spaces';
  const scopes = scopeList.split('+');
  if (!scopes.every(isScope)) return `the scopes must be of ${SCOPES.join(', ')}, with + between`;
  const digest = HASH.exec(secret)?.[1];
  const hash = digest === undefined ? sha256(secret) : Buffer.from(digest, 'base64url');
  return { key: { name, hash, scopes }, secret: digest === undefined ? secret : null };
}

function isScope(text: string): text is Scope {
  return SCOPES.some((scope) => scope === text);
}

function sha256(text: string): Uint8Array {
  return createHash('sha256').update(text).digest();
}
