import type { Logger } from 'pino';
import { ForeignMediaError, faultFields, ImageError, StorageSetupError } from '../domain/errors.ts';
import { isGivenName } from '../domain/file-names.ts';
import type { MediaStore } from '../ports/media-store.ts';
import type { RecordStore } from '../ports/record-store.ts';
import { BATCH_SIZE } from './sweep.ts';

/** Remembers with the records that their store was marked, where replicas share both. */
export interface FirstMark {
  wasMade(): Promise<boolean>;
  /** Call once the mark is in the store. */
  made(): Promise<void>;
}

interface ClaimDeps {
  readonly store: Pick<MediaStore, 'list' | 'mark' | 'setMark'>;
  readonly records: Pick<RecordStore, 'identity' | 'ownedNames'>;
  /** The store in words, for the error: the folder and its path. */
  readonly place: string;
  /**
   * Set where other replicas use the store too: one without a mark is then not theirs if they have made one. Only one process may claim at
   * a time.
   */
  readonly firstMark?: FirstMark;
  /** True to take a store over that bears another database's mark, or holds pictures that this database does not know. */
  readonly adopt: boolean;
  readonly log: Logger;
}

/**
 * Makes sure that the media store belongs to this database, and marks a store that bears no mark yet. A cleanup removes what the database
 * does not know, and two databases over one store would publish over each other: with the wrong pair, paid pictures would be lost.
 *
 * Raises `ForeignMediaError` where the store bears another database's mark, or holds pictures without a mark of which this database knows
 * none. One that it knows is enough to mark the store: it was in use before there were marks. Raises `StorageSetupError` where replicas
 * have marked another store. Raises `ImageError` where the store or the records cannot be read. A store that cannot be written is left
 * without a mark until the next start, unless replicas share it: then that is raised.
 */
export async function claimStore({ store, records, place, firstMark, adopt, log }: ClaimDeps): Promise<void> {
  const identity = await records.identity();
  const mark = await store.mark();
  if (mark === identity) return await firstMark?.made();
  if (mark === null && !adopt && (await firstMark?.wasMade())) {
    throw new StorageSetupError(
      `MEDIA_DIR: ${place} is not the one that the other replicas use, as it does not bear their mark; mount the same one for all of them`,
    );
  }
  const unknown = mark === null ? await findUnknownPicture({ store, records }) : null;
  if (mark !== null || unknown !== null) {
    const holds =
      mark === null
        ? `holds pictures that this database does not know, such as ${unknown}`
        : 'holds the pictures of another database';
    if (!adopt) throw new ForeignMediaError(`${place} ${holds}`);
    log.warn({ mark, identity }, `${place} ${holds}; it is taken over, as ADOPT_MEDIA says`);
  }
  try {
    await store.setMark(identity);
    await firstMark?.made();
  } catch (error) {
    if (!(error instanceof ImageError) || firstMark !== undefined) throw error;
    log.warn(faultFields(error), `${place} cannot be marked as this database's yet; the next start tries again`);
  }
}

/** A file that Easel could have given its name, where the database knows none of these files; else null. */
async function findUnknownPicture({ store, records }: Pick<ClaimDeps, 'store' | 'records'>): Promise<string | null> {
  let unknown: string | null = null;
  let batch: string[] = [];
  const knowsOne = async () => (await records.ownedNames(batch)).size > 0;
  for await (const { name } of store.list()) {
    if (!isGivenName(name)) continue;
    unknown ??= name;
    batch.push(name);
    if (batch.length < BATCH_SIZE) continue;
    if (await knowsOne()) return null;
    batch = [];
  }
  return batch.length > 0 && (await knowsOne()) ? null : unknown;
}
