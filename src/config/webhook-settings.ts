/** Settings of webhooks: their secrets, default URLs and allowed hosts. */

import { z } from 'zod';
import { type AllowedHost, allowedHostText } from '../security/allow-list.ts';
import { list, type SettingsOf } from './setting-types.ts';

/** `whsec_` and base64 of 24 to 64 bytes, as the Standard Webhooks specification requires. */
const secretText = z.string().refine((text) => {
  const [, base64 = ''] = /^whsec_([A-Za-z0-9+/]+={0,2})$/.exec(text) ?? [];
  const bytes = Buffer.from(base64, 'base64');
  return bytes.length >= 24 && bytes.length <= 64 && bytes.toString('base64') === base64;
}, 'must be whsec_ and 24 to 64 bytes in base64, such as `openssl rand -base64 32` gives');

/** `blog=https://…`: the name of an API key, and the URL that its webhooks go to by default. */
const urlOfKey = z
  .string()
  .refine((text) => {
    const url = URL.parse(text.slice(text.indexOf('=') + 1));
    return /^[^=\s]+=/.test(text) && /^https?:$/.test(url?.protocol ?? '');
  }, 'must be NAME=URL, such as blog=https://example.com/hooks/easel')
  .transform((text): readonly [string, string] => {
    const at = text.indexOf('=');
    return [text.slice(0, at), text.slice(at + 1)];
  });

export const webhookSettings = {
  WEBHOOK_SECRET: list(secretText)
    .optional()
    .describe(
      'Signs webhooks: `whsec_` and base64; several with commas between, while receivers change over. Default: ' +
        'made at the first start, and kept beside the database in `webhook-secret`, or in that of PostgreSQL.',
    ),
  WEBHOOK_URLS: list(urlOfKey)
    .optional()
    .describe(
      'URLs that webhooks go to where the request has no `webhookUrl`, by API key: `NAME=URL`, commas between; `anonymous` without keys.',
    ),
  WEBHOOK_ALLOW_HOSTS: list(allowedHostText)
    .optional()
    .describe(
      'Hosts, `host` or `host:port`, commas between, that webhooks may go to although their addresses are not public.',
    ),
} as const;

export interface WebhookConfig {
  readonly webhooks: {
    /**
     * Each webhook is signed with all of them, so receivers can switch secrets; null for one that is made at the first start, and kept
     * with the database.
     */
    readonly secrets: readonly string[] | null;
    /** URLs for requests that name none, by the name of the API key. */
    readonly urls: ReadonlyMap<string, string>;
    /** Hosts that webhooks may be sent to although their addresses are not public. */
    readonly allowHosts: readonly AllowedHost[];
  };
}

/** Groups the settings of webhooks. */
export function webhookConfig(settings: SettingsOf<typeof webhookSettings>): WebhookConfig {
  return {
    webhooks: {
      secrets: settings.WEBHOOK_SECRET ?? null,
      urls: new Map(settings.WEBHOOK_URLS),
      allowHosts: settings.WEBHOOK_ALLOW_HOSTS ?? [],
    },
  };
}
