import { randomBytes } from 'node:crypto';
import { open, readFile } from 'node:fs/promises';
import { dirname } from 'node:path';
import { ImageError } from '../core/domain/errors.ts';

/**
 * Reads a secret from its file, and creates it the first time: 256 random bits as text, durable, in a file with mode 0600.
 * Raises `ImageError` with `storage_unavailable` when the file can be neither read nor made.
 */
export async function loadOrCreateSecret(
  path: string,
  encode = (bits: Buffer) => bits.toString('base64url'),
): Promise<string> {
  try {
    return await readOrMake(path, encode);
  } catch (error) {
    const message = `the file of a secret, ${path}, can be neither read nor made: ${(error as Error).message}`;
    throw new ImageError('storage_unavailable', message, { cause: error });
  }
}

async function readOrMake(path: string, encode: (bits: Buffer) => string): Promise<string> {
  const existing = await readFile(path, 'utf8').catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return '';
    throw error;
  });
  // A power cut during the first start can leave an empty file behind.
  if (existing !== '') return existing;
  const secret = encode(randomBytes(32));
  const file = await open(path, 'w', 0o600);
  try {
    await file.writeFile(secret);
    await file.sync();
  } finally {
    await file.close();
  }
  await syncFolder(dirname(path));
  return secret;
}

/** Makes the file's name durable. */
async function syncFolder(path: string): Promise<void> {
  const folder = await open(path, 'r');
  try {
    await folder.sync();
  } finally {
    await folder.close();
  }
}
