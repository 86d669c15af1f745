import { isGivenName } from '../../core/domain/file-names.ts';
import type { Image } from '../../core/domain/image.ts';
import type { MediaStore } from '../../core/ports/media-store.ts';
import type { Derive } from '../../core/ports/record-store.ts';
import type { ImageToImport, RecordImporter, RecordSource } from '../../core/ports/record-transfer.ts';
import { createFileMover, type FileCounts } from './copy-files.ts';
import { MigrationError } from './migration-error.ts';

/** What a migration did. */
export interface MigrationReport extends FileCounts {
  /** Records of images that are in the target as they are in the source, and how many of them were added now. */
  readonly images: number;
  readonly added: number;
  readonly deliveries: number;
  /** When an earlier run had moved everything (ISO 8601); null where this one ended the move. */
  readonly movedBefore: string | null;
  /** Images that the target has changed or deleted since that earlier run. */
  readonly changedSince: number;
  /** What could not be moved, or is not as it should be, in words. */
  readonly faults: readonly string[];
}

/** What a migration works on. */
export interface Migration {
  readonly source: RecordSource;
  readonly sourceMedia: MediaStore;
  /** Opens the database to move to, which is not touched before. */
  readonly openImporter: () => Promise<RecordImporter>;
  readonly targetMedia: MediaStore;
  readonly derive: Derive;
  /** Secrets that the installation made itself, by their names. */
  readonly secrets: ReadonlyMap<string, string>;
  /** Called after each step with how many images were looked at, of how many. */
  readonly onProgress?: (done: number, total: number) => void;
}

/** Rows of a transaction. */
const BATCH_SIZE = 200;

/**
 * Moves every record and every file that records name. It can be interrupted and run again: what is there already is compared and left.
 * The files of an image go first, so that no record is there without them, and until the end a replica does not start on the target.
 *
 * Once a run has moved everything, another one adds no record: the target has lived on since. It then compares, and puts files back that
 * the target should have.
 *
 * Raises `MigrationError` for pictures of another database, at the source or the target, `ForeignRecordsError` for a database with other
 * records, and `ImageError` where something cannot be read or written.
 */
export async function migrate(migration: Migration): Promise<MigrationReport> {
  const { source, sourceMedia, targetMedia, onProgress = () => undefined } = migration;
  await refuseForeign(sourceMedia, source.identity, '--media-from');
  const isMarked = await refuseForeign(targetMedia, source.identity, '--media-to');
  if (!isMarked) await refusePictures(targetMedia);
  const importer = await migration.openImporter();
  const { finishedAt } = await importer.begin(source.identity);
  if (!isMarked) await targetMedia.setMark(source.identity);

  const total = source.countImages();
  const unreadable = source.unreadable().map((mediaId) => `the record of ${mediaId} is damaged and was not moved`);
  const mover = createFileMover(sourceMedia, targetMedia);
  const records = { done: 0, images: 0, added: 0, changedSince: 0 };
  const different: string[] = [];
  for (const batch of batches((last: Image | null) => source.images(last?.mediaId ?? null, BATCH_SIZE))) {
    const { missing, same, others } = await sorted(batch, importer);
    if (finishedAt === null) {
      await mover.copyFilesOf([...same, ...missing]);
      if (missing.length > 0) await importer.add(missing.map((image) => toImport(image, migration.derive)));
      records.added += missing.length;
      records.images += same.length + missing.length;
      different.push(
        ...others.map(({ mediaId }) => `the record of ${mediaId} in the target is not that of the source`),
      );
    } else {
      await mover.copyFilesOf(same);
      records.images += same.length;
      records.changedSince += missing.length + others.length;
    }
    records.done += batch.length;
    onProgress(records.done, total);
  }
  const deliveries = finishedAt === null ? await moveRest(migration, importer) : 0;
  const present = await importer.countImages();
  const counted = present === records.images || finishedAt !== null ? [] : [miscounted(present, records.images)];
  const { images, added, changedSince } = records;
  const counts = mover.counts();
  const faults = [...unreadable, ...different, ...counted, ...counts.faults];
  return { ...counts, images, added, changedSince, deliveries, movedBefore: finishedAt, faults };
}

function miscounted(present: number, moved: number): string {
  return `the database has ${present} images, and ${moved} of the source are there`;
}

async function moveRest({ source, secrets }: Migration, importer: RecordImporter): Promise<number> {
  let moved = 0;
  for (const batch of batches((last: { number: number } | null) => source.deliveries(last?.number ?? 0, BATCH_SIZE))) {
    await importer.addDeliveries(batch);
    moved += batch.length;
  }
  await importer.finish(source.rest(), secrets);
  return moved;
}

/** Batch after batch of what `next` returns, called with the last one of the batch before. */
function* batches<T>(next: (last: T | null) => readonly T[]): Generator<readonly T[]> {
  let last: T | null = null;
  for (;;) {
    const batch = next(last);
    if (batch.length === 0) return;
    yield batch;
    last = batch.at(-1) as T;
  }
}

async function sorted(batch: readonly Image[], importer: RecordImporter) {
  const presence = await importer.compare(batch);
  const those = (wanted: string) => batch.filter((_, index) => presence[index] === wanted);
  return { missing: those('missing'), same: those('same'), others: those('different') };
}

function toImport(image: Image, derive: Derive): ImageToImport {
  // Called with the same image twice it describes the image, and causes no delivery.
  return { image, derived: derive(image, image) };
}

/** True where the store bears the mark of this database, false where it bears none. */
async function refuseForeign(store: MediaStore, identity: string, option: string): Promise<boolean> {
  const mark = await store.mark();
  if (mark !== null && mark !== identity) {
    throw new MigrationError(
      `${option}: these are the pictures of another database than that of --from; nothing was moved`,
    );
  }
  return mark !== null;
}

async function refusePictures(store: MediaStore): Promise<void> {
  for await (const { name } of store.list()) {
    if (!isGivenName(name)) continue;
    throw new MigrationError(
      `--media-to: there are pictures already, such as ${store.pathOf(name)}, without a mark that says whose; nothing was moved: ` +
        'name an empty place',
    );
  }
}
