import { isIP } from 'node:net';
import { specialKind } from './address.ts';
import { type AllowedHost, hostOf, isAllowed } from './allow-list.ts';

/**
 * Why the SSRF guard refuses a URL whose host is a literal address, in words that may be shown to callers; null for a public address,
 * for a host in `allow`, and for a name, whose addresses are checked when it is looked up. `URL` brings every way to write an IPv4
 * address, decimal, octal and hexadecimal, to its four numbers. Raises `TypeError` for text that is no URL.
 */
export function refusalOfLiteral(url: string, allow: readonly AllowedHost[]): string | null {
  const host = hostOf(url);
  const hostname = host.hostname.replace(/^\[|\]$/g, '');
  const kind = isIP(hostname) === 0 || isAllowed(allow, host) ? null : specialKind(hostname);
  return kind === null ? null : describeRefusal(hostname, kind);
}

/** The sentence for a host that is refused because of the kind of its address. */
export function describeRefusal(hostname: string, kind: string): string {
  return `${hostname} has an address that is not public (${kind}), and is not on the list of allowed hosts`;
}
