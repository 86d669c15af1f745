/** The preferences of a request (RFC 7240) that are supported here. */
interface Preferences {
  /** Answer at once, without waiting for the image to finish. */
  readonly respondAsync: boolean;
  /** Seconds to wait for the image to finish; null without this preference. */
  readonly wait: number | null;
}

/*
 * No two neighbouring parts of these expressions take the same character, and a quote that is never closed ends with the header, so that
 * each takes a time in proportion to the length of the header.
 */
/** An element of the comma-separated list; a comma inside quotes does not separate. */
const ELEMENT = /(?:"(?:[^"\\]|\\.)*(?:\\?$|")|[^,"])+/gs;
/** A preference: a name, and what follows its equals sign. Parameters are ignored. */
const PREFERENCE = /^([\w!#$%&'*+.^`|~-]+)\s*(?:=\s*(.*)|;.*)?$/s;
/** The value of a preference, in quotes or plain, and parameters. */
const VALUE = /^(?:"((?:[^"\\]|\\.)*)"|([^\s";,]*))\s*(?:;.*)?$/s;

/**
 * Parses a `Prefer` header by RFC 7240: names are case-insensitive, the first of several equal names counts, and unknown or
 * malformed preferences are ignored.
 */
export function readPreferences(header: string | undefined): Preferences {
  const values = new Map<string, string>();
  for (const [element] of (header ?? '').matchAll(ELEMENT)) {
    const [, name, given = ''] = PREFERENCE.exec(element.trim()) ?? [];
    const [, quoted, value = quoted] = VALUE.exec(given) ?? [];
    const key = name?.toLowerCase();
    if (key !== undefined && value !== undefined && !values.has(key)) values.set(key, value);
  }
  const wait = values.get('wait') ?? '';
  return { respondAsync: values.get('respond-async') === '', wait: /^\d{1,9}$/.test(wait) ? Number(wait) : null };
}

/** Seconds to wait for the image to finish, at most `maxSeconds`, which is also the default. */
export function secondsToWait({ respondAsync, wait }: Preferences, maxSeconds: number): number {
  return Math.min(wait ?? (respondAsync ? 0 : maxSeconds), maxSeconds);
}

/** `Preference-Applied` of an answer that waited up to `seconds`; null when no preference made a difference. */
export function appliedPreferences(preferences: Preferences, seconds: number, finished: boolean): string | null {
  const applied = [
    ...(preferences.respondAsync && !finished ? ['respond-async'] : []),
    ...(preferences.wait === null ? [] : [`wait=${seconds}`]),
  ];
  return applied.length > 0 ? applied.join(', ') : null;
}
