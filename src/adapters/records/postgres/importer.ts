import { isDeepStrictEqual } from 'node:util';
import { ForeignRecordsError } from '../../../core/domain/errors.ts';
import { formatSize } from '../../../core/domain/geometry.ts';
import type { Image } from '../../../core/domain/image.ts';
import type { Presence, RecordImporter, RecordRest, StoredDelivery } from '../../../core/ports/record-transfer.ts';
import type { PostgresDatabase, Statements } from '../../postgres/database.ts';
import { asStored, readImage } from '../rows.ts';
import { storeSearch } from './search.ts';
import { insertImages, insertLabels, insertSharedNames } from './writes.ts';

/** The message of the error for a database whose import has not ended: what is missing in it would be taken for deleted. */
export const UNFINISHED_IMPORT =
  'DATABASE_URL: the records of an SQLite database are being moved into this one, or were in part; run easel migrate to its end first';

/** Whether an import into this database, which is migrated, has begun and not ended. A service must not work on it then. */
export async function isImportUnfinished(database: Pick<PostgresDatabase, 'read'>): Promise<boolean> {
  const rows = await database.read('SELECT 1 FROM easel.import WHERE finished_at IS NULL');
  return rows.length > 0;
}

/** Opens an importer into this database, which is migrated and which no service uses. `close` leaves the database open. */
export function openPostgresImporter(database: PostgresDatabase): RecordImporter {
  return {
    begin: (identity) => database.transaction((statements) => begin(statements, identity)),

    add: (images) =>
      database.transaction(async (statements) => {
        const added = images.map(({ image, derived }) => ({ stored: asStored(image), derived }));
        const areNew = await insertImages(statements, added, () => undefined);
        if (!areNew) throw new ForeignRecordsError('a record in the database has a mediaId or key of one to move');
        await insertLabels(
          statements,
          images.map(({ image }) => image),
        );
        await insertSharedNames(statements, added);
        await storeSearch(
          statements,
          images.map(({ image }) => image),
        );
      }),

    async compare(images) {
      const rows = await database.read(
        'SELECT media_id, document FROM easel.images WHERE media_id = ANY ($1::text[])',
        [images.map(({ mediaId }) => mediaId)],
      );
      const present = new Map(rows.map((row) => [String(row.media_id), row]));
      return images.map((image) => {
        const row = present.get(image.mediaId);
        return row === undefined ? 'missing' : presenceOf(image, () => readImage(row));
      });
    },

    addDeliveries: (deliveries) => database.transaction((statements) => addDeliveries(statements, deliveries)),

    finish: (rest, secrets) =>
      database.transaction(async (statements) => {
        await addRest(statements, rest);
        await statements.run(
          'INSERT INTO easel.secrets (name, value) SELECT * FROM unnest($1::text[], $2::text[]) ON CONFLICT DO NOTHING',
          [[...secrets.keys()], [...secrets.values()]],
        );
        // The place of the pictures bears the mark of this database already.
        await statements.run('INSERT INTO easel.media_mark DEFAULT VALUES ON CONFLICT DO NOTHING');
        await statements.run('UPDATE easel.import SET finished_at = now()');
      }),

    async countImages() {
      const [row] = await database.read('SELECT coalesce(sum(images), 0) AS images FROM easel.totals');
      return Number(row?.images);
    },
  };
}

async function begin({ run }: Statements, identity: string): Promise<{ readonly finishedAt: string | null }> {
  const [own] = await run('SELECT uuid FROM easel.identity');
  const [earlier] = await run('SELECT source, finished_at FROM easel.import');
  if (own !== undefined && own.uuid !== identity) {
    throw new ForeignRecordsError(
      'the database to move records to is in use as that of another installation; name an empty one',
    );
  }
  if (earlier !== undefined) {
    const { finished_at: finishedAt } = earlier as { readonly finished_at: Date | null };
    return { finishedAt: finishedAt?.toISOString() ?? null };
  }
  const [image] = await run('SELECT media_id FROM easel.images LIMIT 1');
  if (own !== undefined || image !== undefined) {
    throw new ForeignRecordsError('the database to move records to has records already; name an empty one');
  }
  await run('INSERT INTO easel.identity (id, uuid) VALUES (1, $1)', [identity]);
  await run('INSERT INTO easel.import (id, source) VALUES (1, $1)', [identity]);
  return { finishedAt: null };
}

function presenceOf(image: Image, read: () => Image | null): Presence {
  try {
    return isDeepStrictEqual(read(), image) ? 'same' : 'different';
  } catch {
    // It cannot be read.
    return 'different';
  }
}

async function addDeliveries({ run }: Statements, deliveries: readonly StoredDelivery[]): Promise<void> {
  await run(
    `INSERT INTO easel.deliveries (id, media_id, image_removed, receiver, due_at, document, image)
    SELECT id, media_id, image_removed, receiver, due_at, document, image
    FROM unnest($1::text[], $2::text[], $3::boolean[], $4::text[], $5::bigint[], $6::text[], $7::text[]) WITH ORDINALITY
      AS added (id, media_id, image_removed, receiver, due_at, document, image, place)
    ORDER BY place ON CONFLICT (id) DO NOTHING`,
    [
      deliveries.map(({ delivery }) => delivery.id),
      deliveries.map(({ delivery }) => delivery.mediaId),
      deliveries.map(({ imageRemoved }) => imageRemoved),
      deliveries.map(({ receiver }) => receiver),
      deliveries.map(({ delivery: { nextAttemptAt } }) => (nextAttemptAt === null ? null : Date.parse(nextAttemptAt))),
      deliveries.map(({ delivery }) => JSON.stringify(delivery)),
      deliveries.map(({ image }) => JSON.stringify(image)),
    ],
  );
}

/** Rows of one statement. */
const BATCH_SIZE = 1_000;

async function addRest({ run }: Statements, rest: RecordRest): Promise<void> {
  const { spending, largestUsage, deletions, lastCleanup } = rest;
  for (let at = 0; at < spending.length; at += BATCH_SIZE) {
    const batch = spending.slice(at, at + BATCH_SIZE);
    await run(
      `INSERT INTO easel.spending (day, owner, model, images, micro_usd, unpriced)
      SELECT * FROM unnest($1::text[], $2::text[], $3::text[], $4::bigint[], $5::bigint[], $6::bigint[])`,
      [
        batch.map(({ day }) => day ?? ''),
        batch.map(({ owner }) => owner),
        batch.map(({ model }) => model),
        batch.map(({ images }) => images),
        batch.map(({ microUsd }) => microUsd),
        batch.map(({ unpriced }) => unpriced),
      ],
    );
  }
  await run(
    `INSERT INTO easel.largest_usage (model, quality, size, output_tokens)
    SELECT * FROM unnest($1::text[], $2::text[], $3::text[], $4::bigint[])`,
    [
      largestUsage.map(({ model }) => model),
      largestUsage.map(({ quality }) => quality),
      largestUsage.map(({ size }) => formatSize(size)),
      largestUsage.map(({ outputTokens }) => outputTokens),
    ],
  );
  await run('INSERT INTO easel.deletions (media_id, names) SELECT * FROM unnest($1::text[], $2::text[])', [
    deletions.map(({ mediaId }) => mediaId),
    deletions.map(({ names }) => JSON.stringify(names)),
  ]);
  if (lastCleanup === null) return;
  await run('INSERT INTO easel.last_cleanup (id, report) VALUES (1, $1)', [JSON.stringify(lastCleanup)]);
}
