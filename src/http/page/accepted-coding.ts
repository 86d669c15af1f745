import { CODINGS, type Coding } from './encoded-page.ts';

/**
 * The coding to send for a request's `Accept-Encoding` (RFC 9110, 12.5.3): of those that it takes, the one that it prefers, and of equals
 * the smallest. `identity` where it takes none, or the header is absent or not well-formed.
 */
export function acceptedCoding(header: string | undefined): Coding {
  const weights = new Map<string, number>();
  for (const part of (header ?? '').toLowerCase().split(',')) {
    const [name = '', ...parameters] = part.split(';').map((text) => text.trim());
    const weight = parameters.find((parameter) => parameter.startsWith('q='))?.slice(2) ?? '1';
    if (name !== '')
      weights.set(name === 'x-gzip' ? 'gzip' : name, /^[01](\.\d{0,3})?$/.test(weight) ? Number(weight) : 0);
  }
  const weightOf = (coding: Coding) => weights.get(coding) ?? weights.get('*') ?? 0;
  // Not named, `identity` is acceptable, and the last choice.
  const accepted = CODINGS.filter((coding) => weightOf(coding) > 0);
  return accepted.toSorted((one, other) => weightOf(other) - weightOf(one))[0] ?? 'identity';
}
