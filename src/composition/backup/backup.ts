import { chmod, realpath, rm } from 'node:fs/promises';
import { basename, dirname, join, relative, resolve, sep } from 'node:path';
import { assertDatabase, copyDatabase, openSnapshot } from '../../adapters/records/sqlite/snapshot.ts';
import { lockFolder } from '../../adapters/storage/folder-lock.ts';
import { SECRET_FILES } from '../../config/secrets.ts';
import { MediaInUseError } from '../../core/domain/errors.ts';
import { inputName, ownedNames, storedNameOf } from '../../core/domain/file-names.ts';
import type { Image } from '../../core/domain/image.ts';
import { inputsOf } from '../../core/domain/request.ts';
import { VERSION } from '../version.ts';
import { BackupError } from './backup-error.ts';
import { type Content, openContent } from './content.ts';
import { type Digest, makeFolder } from './durable-copy.ts';
import { type Manifest, readManifest, writeManifest } from './manifest.ts';
import type { BackupPlaces } from './places.ts';

/** What a backup did. */
export interface BackupReport {
  readonly images: number;
  /** Names of pictures that the backup has, and their bytes. */
  readonly files: number;
  readonly bytes: number;
  /** Files that were copied now; the others were there from an earlier backup. */
  readonly copied: number;
  /** Files that the records name and that are missing or damaged, in words. */
  readonly faults: readonly string[];
}

/** Files of one name that are read at the same time. */
const BATCH_SIZE = 8;
/** Rounds that are run while files vanish that the round before had not missed. */
const MAX_ROUNDS = 8;

/**
 * Backs up the database, the pictures that its records name and the secrets beside it into `folder`, whether a service runs or not. An
 * earlier backup there is brought up to date: only what it does not have is copied, and it stays whole and usable until the new one is.
 *
 * A picture that is deleted after the database was copied is no fault: then the database is copied again. A file that stays missing or
 * damaged is one, and the backup is made without it.
 *
 * A database of an older Easel is backed up as it is, so that the older one can be gone back to.
 *
 * Raises `BackupError` for a folder that cannot be used, such as one with another database's backup, and where a file cannot be copied, and
 * `ImageError` where the database cannot be read.
 */
export async function backUp(config: BackupPlaces, folder: string): Promise<BackupReport> {
  await refuseMediaFolder(folder, config.media.root);
  assertDatabase(config.records.path);
  await makeFolder(folder).catch((error: NodeJS.ErrnoException) => {
    if (error.code !== 'EEXIST' && error.code !== 'ENOTDIR') throw notBackedUp(folder, error);
    throw new BackupError(`DIR: ${folder} is no folder: a file stands in its way`, { isWrongUse: true, cause: error });
  });
  const unlock = lockBackup(folder);
  const content = openContent(folder);
  try {
    const earlier = await readManifest(folder);
    await content.prepare();
    const collected = await collect(config, content);
    refuseOthers(folder, earlier, collected.manifest);
    const secrets = await copySecrets(config.records.path, content);
    const manifest: Manifest = { ...collected.manifest, secrets };
    await writeManifest(folder, manifest, content.temporary());
    const kept = [manifest.database, ...manifest.secrets, ...manifest.files].map(({ sha256 }) => sha256);
    await content.removeOthers(new Set(kept));
    const bytes = manifest.files.reduce((sum, file) => sum + file.bytes, 0);
    return {
      images: manifest.images,
      files: manifest.files.length,
      bytes,
      copied: collected.copied,
      faults: collected.faults,
    };
  } catch (error) {
    throw notBackedUp(folder, error);
  } finally {
    // A full disk gets back the room that the copy of the database took.
    await content.removeTemporary().catch(() => undefined);
    unlock();
  }
}

/**
 * Keeps the backup of another database from being overwritten: one that was made anew, since its volume was not mounted, would take the
 * place of all that can be restored.
 */
function refuseOthers(folder: string, earlier: Manifest | null, { mark }: Pick<Manifest, 'mark'>): void {
  if (earlier === null || earlier.mark === null || earlier.mark === mark) return;
  throw new BackupError(
    `${folder} holds the backup of another database, made at ${earlier.createdAt}, and it is kept; is the right volume mounted? ` +
      'To back up this database, name another folder',
  );
}

/** Codes of a disk, or a quota, without room. */
const FULL: ReadonlySet<unknown> = new Set(['storage_full', 'ENOSPC', 'EDQUOT']);

/** The error of the system, or of a full disk, in words; any other is returned unchanged. */
function notBackedUp(folder: string, error: unknown): unknown {
  const { code, syscall } = error as { readonly code?: unknown; readonly syscall?: unknown };
  const isFull = FULL.has(code);
  if (!(error instanceof Error) || (!isFull && syscall === undefined)) return error;
  const reason = isFull ? 'no space is left there' : error.message;
  return new BackupError(`not backed up into ${folder}: ${reason}; an earlier backup there is kept`, { cause: error });
}

/** A cleanup of the pictures would take files of a backup for its own, and a backup would grow by itself. */
async function refuseMediaFolder(folder: string, mediaRoot: string): Promise<void> {
  const way = relative(await realPathOf(mediaRoot), await realPathOf(folder));
  if (way.split(sep)[0] === '..' || resolve(way) === way) return;
  throw new BackupError(`DIR: ${folder} is inside MEDIA_DIR (${mediaRoot}); name a folder outside of it`, {
    isWrongUse: true,
  });
}

/** The path without links, also of a folder that is still to be made. */
async function realPathOf(path: string): Promise<string> {
  const whole = resolve(path);
  return await realpath(whole).catch(async () =>
    dirname(whole) === whole ? whole : join(await realPathOf(dirname(whole)), basename(whole)),
  );
}

function lockBackup(folder: string): () => void {
  try {
    return lockFolder(folder);
  } catch (error) {
    if (error instanceof MediaInUseError) {
      throw new BackupError(`another backup into ${folder} is running; wait for it to end`, { cause: error });
    }
    // The file system gives no locks: two backups at once end with an error, and spoil no earlier one.
    return () => undefined;
  }
}

interface Collected {
  readonly manifest: Omit<Manifest, 'secrets'>;
  readonly copied: number;
  readonly faults: readonly string[];
}

/** Copies database and pictures, again while files vanish in between. */
async function collect({ records, media }: BackupPlaces, content: Content): Promise<Collected> {
  const pictures = createCopier(media.root, content);
  let missed = new Set<string>();
  for (let round = 1; ; round += 1) {
    const copy = content.temporary();
    copyDatabase(records.path, copy);
    await chmod(copy, 0o600);
    using snapshot = openSnapshot(copy, content.temporary());
    const { images, files, faults } = await pictures.copyAll(snapshot.images());
    const isLasting = [...faults.keys()].every((fault) => missed.has(fault));
    if (!isLasting && round < MAX_ROUNDS) {
      missed = new Set(faults.keys());
      await rm(copy, { force: true });
      continue;
    }
    const database = await content.add(copy);
    if (database === null) throw new BackupError(`${copy} was removed while the backup ran`);
    await rm(copy, { force: true });
    const manifest = {
      version: 1 as const,
      easel: VERSION,
      createdAt: new Date().toISOString(),
      database,
      schemaVersion: snapshot.schemaVersion,
      mark: snapshot.identity,
      images,
      files,
      missing: [...faults.values()].map(({ name }) => name),
    };
    return { manifest, copied: pictures.copied(), faults: [...faults.values()].map(({ text }) => text) };
  }
}

interface Fault {
  readonly name: string;
  readonly text: string;
}

/** Copies the pictures in `root` that records name. */
function createCopier(root: string, content: Content) {
  let copied = 0;

  /** The file as the backup has it; a fault where the record names it and the backup cannot have it; null where it need not be. */
  async function copy(name: string, expected: string | undefined): Promise<Digest | Fault | null> {
    const path = join(root, name);
    const kept = expected === undefined ? null : await content.find(expected);
    if (kept !== null) return kept;
    const digest = await content.add(path, expected);
    if (digest !== null && (expected === undefined || digest.sha256 === expected)) {
      copied += 1;
      return digest;
    }
    if (expected === undefined) return null;
    return { name, text: `${path} ${digest === null ? 'is missing' : 'is not what its record says'}` };
  }

  return {
    copied: () => copied,

    /** Copies the files of all images. `faults` are by name and hash, so that the same one is known again. */
    async copyAll(images: Iterable<Image>) {
      // By name: images share inputs.
      const files = new Map<string, Manifest['files'][number]>();
      const faults = new Map<string, Fault>();
      let count = 0;
      for (const image of images) {
        count += 1;
        const named = filesOf(image).filter(({ name }) => !files.has(name));
        for (let at = 0; at < named.length; at += BATCH_SIZE) {
          const batch = named.slice(at, at + BATCH_SIZE);
          const results = await Promise.all(batch.map(({ name, sha256 }) => copy(name, sha256)));
          for (const [index, result] of results.entries()) {
            const { name, sha256 } = batch[index] as NamedFile;
            if (result === null) continue;
            if ('text' in result) faults.set(`${name} ${sha256}`, result);
            else files.set(name, { name, ...result });
          }
        }
      }
      return { images: count, files: [...files.values()], faults };
    },
  };
}

interface NamedFile {
  readonly name: string;
  /** Undefined for a file that may or may not be there, such as the original of an earlier attempt. */
  readonly sha256: string | undefined;
}

/** The files of an image: those in its record, and those that may be there besides. */
function filesOf(image: Image): readonly NamedFile[] {
  const files = [image.original, image.master, ...image.renditions].filter((file) => file !== null);
  const known = files.map((file) => ({ name: storedNameOf(file), sha256: file.sha256 }));
  const inputs = inputsOf(image.request).map(({ sha256 }) => ({ name: inputName(sha256), sha256 }));
  const hashes = new Map([...known, ...inputs].map(({ name, sha256 }) => [name, sha256]));
  return [...new Set([...hashes.keys(), ...ownedNames(image)])].map((name) => ({ name, sha256: hashes.get(name) }));
}

async function copySecrets(databasePath: string, content: Content): Promise<Manifest['secrets']> {
  const copies = SECRET_FILES.map(async (name) => {
    const digest = await content.add(join(dirname(databasePath), name));
    return digest === null ? [] : [{ name, ...digest }];
  });
  return (await Promise.all(copies)).flat();
}
