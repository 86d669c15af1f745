import { dirname, join } from 'node:path';
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
