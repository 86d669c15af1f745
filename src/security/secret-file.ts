import { randomBytes } from 'node:crypto';
import { open, readFile } from 'node:fs/promises';
import { dirname } from 'node:path';

/** 256 random bits as text that are made once and kept in a file which only its owner may read. */
export async function loadOrCreateSecret(
  path: string,
  encode = (bits: Buffer) => bits.toString('base64url'),
): Promise<string> {
  const existing = await readFile(path, 'utf8').catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return '';
    throw error;
  });
  // An empty file is one that a power cut left behind.
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

async function syncFolder(path: string): Promise<void> {
  const folder = await open(path, 'r');
  try {
    await folder.sync();
  } finally {
    await folder.close();
  }
}
