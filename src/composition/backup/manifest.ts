import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';
import { SECRET_FILES } from '../../config/secrets.ts';
import { isGivenName } from '../../core/domain/file-names.ts';
import { BackupError } from './backup-error.ts';
import { renameDurably, syncFile } from './durable-copy.ts';

const digest = { sha256: z.string().regex(/^[0-9a-f]{64}$/), bytes: z.int().nonnegative() };

/** What a backup holds. Its files are stored under their hashes, so a backup is whole from the moment that its manifest has its name. */
const manifest = z.strictObject({
  /** Of this format. */
  version: z.literal(1),
  /** The Easel that wrote it. */
  easel: z.string(),
  createdAt: z.iso.datetime(),
  database: z.strictObject(digest),
  schemaVersion: z.int(),
  /** The mark of the folder of the pictures: the database's id. */
  mark: z.string().nullable(),
  images: z.int(),
  secrets: z.array(z.strictObject({ name: z.enum(SECRET_FILES), ...digest })),
  files: z.array(z.strictObject({ name: z.string().refine(isGivenName), ...digest })),
  /** Files that the records name and that were missing or damaged. */
  missing: z.array(z.string()),
});

export type Manifest = z.output<typeof manifest>;

const NAME = 'easel-backup.json';

/** The manifest of the backup in `folder`; null where there is none. Raises `BackupError` for one that cannot be read. */
export async function readManifest(folder: string): Promise<Manifest | null> {
  const path = join(folder, NAME);
  const text = await readFile(path, 'utf8').catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT' || error.code === 'ENOTDIR') return null;
    throw error;
  });
  if (text === null) return null;
  try {
    return manifest.parse(JSON.parse(text));
  } catch (error) {
    throw new BackupError(`${path} is damaged, or of another version of Easel; name another folder`, { cause: error });
  }
}

/** Writes the manifest, durably and in place of the earlier one; `temporary` is a free name on the same file system. */
export async function writeManifest(folder: string, content: Manifest, temporary: string): Promise<void> {
  await writeFile(temporary, `${JSON.stringify(content)}\n`, { mode: 0o600, flag: 'wx' });
  await syncFile(temporary);
  await renameDurably(temporary, join(folder, NAME));
}
