import { chmod, copyFile, link, readFile, realpath, rename, rm } from 'node:fs/promises';
import { dirname, join, resolve } from 'node:path';
import type { Logger } from 'pino';
import { checkpointDatabase } from '../../adapters/records/sqlite/checkpoint.ts';
import { lockDatabase } from '../../adapters/records/sqlite/lock.ts';
import { SCHEMA_VERSION } from '../../adapters/records/sqlite/schema/migrations.ts';
import { createDiskStore } from '../../adapters/storage/disk.ts';
import { ForeignMediaError, ImageError } from '../../core/domain/errors.ts';
import { isGivenName, sha256 } from '../../core/domain/file-names.ts';
import type { MediaStore } from '../../core/ports/media-store.ts';
import { lockIfPossible } from '../start/open-storage.ts';
import { BackupError } from './backup-error.ts';
import { type Content, openContent } from './content.ts';
import { copyDurably, digestOf, makeFolder, renameDurably, syncFolder } from './durable-copy.ts';
import { type Manifest, readManifest } from './manifest.ts';
import type { BackupPlaces } from './places.ts';

/** What a restore did. */
export interface RestoreReport {
  readonly createdAt: string;
  readonly images: number;
  /** Pictures that were put back, and those that were there already. */
  readonly restored: number;
  readonly kept: number;
  /** Where what was replaced is now: the earlier database, and earlier secrets. */
  readonly setAside: readonly string[];
  /** Pictures in the folder that the backup does not know, such as later ones. */
  readonly unknown: number;
  /** Files that the backup should have and that are missing or damaged in it, in words. */
  readonly faults: readonly string[];
}

/**
 * Restores the backup in `folder`: first every file of it is proved by its hash. Then pictures that are missing or different are put back,
 * and the secrets and the database are replaced, the earlier ones set aside. No file is removed. What is interrupted can be run again.
 *
 * A damaged picture does not keep the others from being restored; a damaged database or secret does, before anything is changed.
 *
 * Raises `DatabaseInUseError` or `MediaInUseError` while a service runs, `ForeignMediaError` where the folder of the pictures is another
 * database's and has pictures that the backup does not know, and `BackupError` where there is no backup, or it cannot be used, or the disk
 * cannot be written.
 */
export async function restoreBackup(config: BackupPlaces, folder: string, log: Logger): Promise<RestoreReport> {
  try {
    return await restore(config, folder, log);
  } catch (error) {
    const isExpected = error instanceof ImageError || (error instanceof Error && 'syscall' in error);
    if (!isExpected) throw error;
    throw new BackupError(`not restored: ${error.message}; once that is put right, run it again`, { cause: error });
  }
}

async function restore({ records, media }: BackupPlaces, folder: string, log: Logger): Promise<RestoreReport> {
  const manifest = await readManifest(folder);
  if (manifest === null) throw new BackupError(`${folder} holds no backup: it has no easel-backup.json`);
  if (manifest.schemaVersion > SCHEMA_VERSION) {
    throw new BackupError(
      `the backup has schema ${manifest.schemaVersion} and this Easel knows up to ${SCHEMA_VERSION}: restore it with Easel ` +
        `${manifest.easel} or newer`,
    );
  }
  await using locks = new AsyncDisposableStack();
  const database = await databasePath(records.path);
  const lock = lockDatabase(database);
  locks.defer(() => lock.release());
  const store = await createDiskStore({ root: media.root });
  locks.defer(lockIfPossible(media.root, log));

  const content = openContent(folder);
  const { faults, sound } = await prove(manifest, content);
  const unknown = await claimFolder(store, manifest, media);
  const pictures = await putBack(store, sound, content);
  const setAside: string[] = [];
  for (const { name, sha256: expected } of manifest.secrets) {
    setAside.push(...(await replaceFile(join(dirname(database), name), content, expected)));
  }
  setAside.push(...(await replaceDatabase(database, content, manifest.database.sha256)));
  return { createdAt: manifest.createdAt, images: manifest.images, ...pictures, setAside, unknown, faults };
}

/** The path of the database without links; its folder is made where it is missing. */
async function databasePath(path: string): Promise<string> {
  await makeFolder(dirname(resolve(path)));
  return await realpath(path).catch(() => resolve(path));
}

interface Proof {
  readonly faults: readonly string[];
  /** The pictures whose copy is what the manifest says. */
  readonly sound: Manifest['files'];
}

/** Reads every file of the backup. Raises `BackupError` where the database or a secret is not what the manifest says. */
async function prove(manifest: Manifest, content: Content): Promise<Proof> {
  const needed = [{ name: 'the database', ...manifest.database }, ...manifest.secrets];
  const faults = manifest.missing.map((name) => `${name} was missing or damaged when the backup was made`);
  const broken: string[] = [];
  for (const { name, sha256 } of needed) {
    if ((await content.find(sha256)) === null) broken.push(`${name} (${content.path(sha256)})`);
  }
  if (broken.length > 0) {
    throw new BackupError(
      `nothing was restored, as these files of the backup are missing or damaged: ${broken.join(', ')}`,
    );
  }
  const sound: Manifest['files'] = [];
  for (const file of manifest.files) {
    if ((await content.find(file.sha256)) !== null) sound.push(file);
    else faults.push(`${file.name} is missing or damaged in the backup (${content.path(file.sha256)})`);
  }
  return { faults, sound };
}

/**
 * Marks the folder of the pictures as that of the restored database. Returns how many of its pictures the backup does not know: a cleanup
 * would remove them, so they keep a folder that bears another mark, or none, from being taken over.
 */
async function claimFolder(
  store: MediaStore,
  manifest: Manifest,
  { root, adopt }: BackupPlaces['media'],
): Promise<number> {
  const known = new Set([...manifest.files.map(({ name }) => name), ...manifest.missing]);
  let unknown = 0;
  let example = '';
  for await (const { name } of store.list()) {
    if (!isGivenName(name) || known.has(name)) continue;
    unknown += 1;
    example = name;
  }
  if ((await store.mark()) === manifest.mark || manifest.mark === null) return unknown;
  if (unknown > 0 && !adopt) {
    throw new ForeignMediaError(`the folder ${root} holds pictures that the backup does not know, such as ${example}`);
  }
  await store.setMark(manifest.mark);
  return unknown;
}

/** Puts back the pictures that are missing or different. */
async function putBack(store: MediaStore, files: Manifest['files'], content: Content) {
  let restored = 0;
  for (const { name, sha256: expected } of files) {
    const present = await store.read(name);
    if (present !== null && sha256(present) === expected) continue;
    const bytes = await readFile(content.path(expected));
    if (sha256(bytes) !== expected) throw changedMeanwhile(content.path(expected));
    await store.put(name, bytes);
    restored += 1;
  }
  return { restored, kept: files.length - restored };
}

/** Replaces the database at once. Returns where the earlier one is now. */
async function replaceDatabase(path: string, content: Content, expected: string): Promise<readonly string[]> {
  const aside = asideName(path);
  const setAside: string[] = [];
  // Its log is written into it first: the two cannot be replaced at once, and one that is interrupted must leave a whole database.
  checkpointDatabase(path);
  // What is left of it, as it is damaged or the disk is full, goes before the database: SQLite would take the log for that of the new one.
  for (const end of ['-wal', '-shm']) {
    const moved = await rename(path + end, aside + end).then(() => true, ignoreMissing);
    if (moved) setAside.push(aside + end);
  }
  return [...(await replaceFile(path, content, expected, aside)), ...setAside];
}

/**
 * Replaces a file at once by a copy of the content with the hash `expected`. Returns where the earlier one is now; none where there was
 * none, or the same.
 */
async function replaceFile(
  path: string,
  content: Content,
  expected: string,
  aside = asideName(path),
): Promise<readonly string[]> {
  const present = await digestOf(path);
  if (present?.sha256 === expected) return [];
  const temporary = `${path}.restoring`;
  const copy = await copyDurably(content.path(expected), temporary);
  if (copy?.sha256 !== expected) {
    await rm(temporary, { force: true });
    throw changedMeanwhile(content.path(expected));
  }
  if (present !== null) {
    // A second name, so that there is a file at every moment; a copy where the file system has no links.
    await link(path, aside).catch(() => copyFile(path, aside));
    await chmod(aside, 0o600);
    await syncFolder(dirname(path));
  }
  await renameDurably(temporary, path);
  return present === null ? [] : [aside];
}

/** The error for a file of the backup that was sound when it was proved, and is not as it is copied. */
function changedMeanwhile(path: string): BackupError {
  return new BackupError(`${path} was changed or damaged while the backup was restored; run the restore again`);
}

/** The name that a file is set aside under, by the time. */
function asideName(path: string): string {
  return `${path}.replaced-${new Date().toISOString().replace(/[:.]/g, '-')}`;
}

function ignoreMissing(error: NodeJS.ErrnoException): false {
  if (error.code === 'ENOENT') return false;
  throw error;
}
