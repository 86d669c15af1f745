/** Secrets that are set, or else generated at the first start and kept in a file beside the database. */

import type { Config } from '../config/config.ts';
import type { Clock } from '../core/ports/clock.ts';
import { loadOrCreateSecret } from '../security/secret-file.ts';
import { createSignedLinks, type SignedLinks } from '../security/signed-links.ts';

/** The signed URLs of private pictures. */
export async function openLinks(links: NonNullable<Config['links']>, clock: Clock): Promise<SignedLinks> {
  const secret = links.secret ?? (await loadOrCreateSecret(links.secretPath));
  return createSignedLinks({ secret, seconds: links.seconds, clock });
}

/** The secrets that sign webhooks, in the format of Standard Webhooks: `whsec_` and base64. */
export async function openWebhookSecrets({ secrets, secretPath }: Config['webhooks']): Promise<readonly string[]> {
  return secrets ?? [await loadOrCreateSecret(secretPath, (bits) => `whsec_${bits.toString('base64')}`)];
}
