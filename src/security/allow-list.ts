import { isIPv6 } from 'node:net';
import { z } from 'zod';

/** A host that the operator vouches for; a null port stands for any. */
export interface AllowedHost {
  /** As `URL` writes it: lower case, IPv6 in brackets. */
  readonly hostname: string;
  readonly port: number | null;
}

/** `host` or `host:port`, the way it is written in settings. */
export const allowedHostText = z.string().transform((text, context): AllowedHost => {
  const allowed = parse(text);
  if (allowed !== null) return allowed;
  context.addIssue({ code: 'custom', message: 'must be host or host:port, such as 127.0.0.1:8080 or hooks.internal' });
  return z.NEVER;
});

/** The host and port that this http or https URL leads to. */
export function hostOf(url: string): AllowedHost & { readonly port: number } {
  const { hostname, port, protocol } = new URL(url);
  return { hostname, port: port === '' ? defaultPort(protocol) : Number(port) };
}

/** Whether the list has this host, at this port. */
export function isAllowed(list: readonly AllowedHost[], { hostname, port }: AllowedHost): boolean {
  return list.some((allowed) => allowed.hostname === hostname && (allowed.port === null || allowed.port === port));
}

export function defaultPort(protocol: string): number {
  return protocol === 'https:' ? 443 : 80;
}

function parse(text: string): AllowedHost | null {
  const [, host = null, port] = isIPv6(text)
    ? ['', `[${text}]`]
    : (/^(\[[^\]]+\]|[^\s:/?#@*[\]]+)(?::(\d+))?$/.exec(text) ?? []);
  const url = host === null ? null : URL.parse(`http://${host}`);
  if (url === null || Number(port ?? 1) < 1 || Number(port ?? 1) > 65_535) return null;
  return { hostname: url.hostname, port: port === undefined ? null : Number(port) };
}
