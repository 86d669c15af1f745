import { dirname, join } from 'node:path';
import type { Config } from '../../config/config.ts';
import type { SecretName } from '../../config/secrets.ts';
import { loadOrCreateSecret } from '../../security/secret-file.ts';

/**
 * A secret of this installation, which is made at the first start and is the same ever after. `encode` makes its text of 256 random bits.
 * Raises `ImageError` with `storage_unavailable` where it can be neither read nor made.
 */
export type KeepSecret = (name: SecretName, encode?: (bits: Buffer) => string) => Promise<string>;

/** Keeps secrets in files beside the database at this path. */
export function secretsBeside(databasePath: string): KeepSecret {
  return (name, encode) => loadOrCreateSecret(join(dirname(databasePath), name), encode);
}

/** The secrets in use: those that are set, or were made at the first start. */
export interface Secrets {
  /** Signs the URLs of private pictures; null where these are public. */
  readonly mediaUrl: string | null;
  /** Each signs every webhook. */
  readonly webhook: readonly string[];
}

/** Reads the secrets in use, and has them masked from now on. */
export async function readSecrets({ links, webhooks, secrets: known }: Config, keep: KeepSecret): Promise<Secrets> {
  const secrets = {
    mediaUrl: links && (links.secret ?? (await keep('media-url-secret'))),
    webhook: webhooks.secrets ?? [await keep('webhook-secret', toWebhookSecret)],
  };
  known.learn([...(secrets.mediaUrl === null ? [] : [secrets.mediaUrl]), ...secrets.webhook]);
  return secrets;
}

/** Formats a secret as the Standard Webhooks specification does. */
function toWebhookSecret(bits: Buffer): string {
  return `whsec_${bits.toString('base64')}`;
}
