/** What a client would like, of what this service can do for it. */
export interface Preferences {
  /** Not to wait for the end. */
  readonly respondAsync: boolean;
  /** Seconds to wait for the end, or null where the client does not say. */
  readonly wait: number | null;
}

/** A preference: a name, perhaps with a value, perhaps with parameters, which nothing here has a use for. */
const PREFERENCE = /^([\w!#$%&'*+.^`|~-]+)(?:\s*=\s*(?:"((?:[^"\\]|\\.)*)"|([^\s";,]*)))?\s*(?:;.*)?$/s;
/** What stands between commas, where a comma inside quotes does not count. */
const ELEMENT = /(?:"(?:[^"\\]|\\.)*"|[^,"])+/gs;

/**
 * Reads a `Prefer` header by RFC 7240: names are case-insensitive, the first of equals counts, and what is unknown or
 * malformed is ignored, never refused.
 */
export function readPreferences(header: string | undefined): Preferences {
  const values = new Map<string, string>();
  for (const [element] of (header ?? '').matchAll(ELEMENT)) {
    const [, name, quoted, plain] = PREFERENCE.exec(element.trim()) ?? [];
    const key = name?.toLowerCase();
    if (key !== undefined && !values.has(key)) values.set(key, quoted ?? plain ?? '');
  }
  const wait = values.get('wait') ?? '';
  return { respondAsync: values.get('respond-async') === '', wait: /^\d{1,9}$/.test(wait) ? Number(wait) : null };
}

/** Seconds to wait for the end, never more than `most`. */
export function secondsToWait({ respondAsync, wait }: Preferences, maxSeconds: number): number {
  return Math.min(wait ?? (respondAsync ? 0 : maxSeconds), maxSeconds);
}

/** `Preference-Applied` for a call that waited up to `seconds`, or null where no preference made a difference. */
export function appliedPreferences(asked: Preferences, seconds: number, finished: boolean): string | null {
  const applied = [
    ...(asked.respondAsync && !finished ? ['respond-async'] : []),
    ...(asked.wait === null ? [] : [`wait=${seconds}`]),
  ];
  return applied.length > 0 ? applied.join(', ') : null;
}
