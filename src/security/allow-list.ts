import { isIPv6 } from 'node:net';
import { z } from 'zod';

/** A host that the operator allows; a null port means any port. */
export interface AllowedHost {
  /** As `URL` writes it: lower case, IPv6 in brackets. */
  readonly hostname: string;
  readonly port: number | null;
}

/** A setting's text `host` or `host:port` as an `AllowedHost`. */
export const allowedHostText = z.string().transform((text, context): AllowedHost => {
  const allowed = parse(text);
  if (allowed !== null) return allowed;
  context.addIssue({ code: 'custom', message: 'must be host or host:port, such as 127.0.0.1:8080 or hooks.internal' });
  return z.NEVER;
});

/** The host and port of an http or https URL. Raises `TypeError` for text that is no URL. */
export function hostOf(url: string): AllowedHost & { readonly port: number } {
  const { hostname, port, protocol } = new URL(url);
  return { hostname, port: port === '' ? defaultPort(protocol) : Number(port) };
}

/** True when the list allows this host at this port. */
export function isAllowed(list: readonly AllowedHost[], { hostname, port }: AllowedHost): boolean {
  return list.some((allowed) => allowed.hostname === hostname && (allowed.port === null || allowed.port === port));
}

/** The default port of a URL's protocol: 443 for `https:`, 80 for any other. */
export function defaultPort(protocol: string): number {
  return protocol === 'https:' ? 443 : 80;
}

/** Null for text that is not `host` or `host:port`. `URL` normalises case, IDNA and the many ways to write an IPv4 address. */
function parse(text: string): AllowedHost | null {
  const [, host = null, port] = isIPv6(text)
    ? ['', `[${text}]`]
    : (/^(\[[^\]]+\]|[^\s:/?#@*[\]]+)(?::(\d+))?$/.exec(text) ?? []);
  const url = host === null ? null : URL.parse(`http://${host}`);
  if (url === null || Number(port ?? 1) < 1 || Number(port ?? 1) > 65_535) return null;
  return { hostname: url.hostname, port: port === undefined ? null : Number(port) };
}
