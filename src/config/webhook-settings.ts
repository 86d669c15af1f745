import { z } from 'zod';
import { allowedHostText } from '../outgoing/allow-list.ts';
import { list } from './setting-types.ts';

/** Of 24 to 64 bytes, by the Standard Webhooks specification. */
const secretText = z.string().refine((text) => {
  const [, base64 = ''] = /^whsec_([A-Za-z0-9+/]+={0,2})$/.exec(text) ?? [];
  const bytes = Buffer.from(base64, 'base64');
  return bytes.length >= 24 && bytes.length <= 64 && bytes.toString('base64') === base64;
}, 'must be whsec_ and 24 to 64 bytes in base64, such as `openssl rand -base64 32` gives');

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

/** The settings of telling others how pictures ended. */
export const webhookSettings = {
  WEBHOOK_SECRET: list(secretText)
    .optional()
    .describe(
      'Signs webhooks: `whsec_` and base64; several with commas between, while receivers change over. Default: made at the first start, and kept beside the database in `webhook-secret`.',
    ),
  WEBHOOK_URLS: list(urlOfKey)
    .optional()
    .describe(
      'Who is told of pictures whose request has no `webhookUrl`, by API key: `NAME=URL`, commas between; `anonymous` without keys.',
    ),
  WEBHOOK_ALLOW_HOSTS: list(allowedHostText)
    .optional()
    .describe('Hosts, `host` or `host:port`, commas between, that webhooks may go to though they are not public.'),
} as const;
