import { randomUUID } from 'node:crypto';
import type { Image } from '../../../core/domain/image.ts';
import type { SpendingGuard } from '../../../core/domain/money.ts';
import type { Acceptance, Deletion, Derive, RecordStore } from '../../../core/ports/record-store.ts';
import { allOf, type PostgresDatabase, type Statements } from '../../postgres/database.ts';
import type { PostgresSession } from '../../postgres/session.ts';
import { asStored, readImage } from '../rows.ts';
import { createTurns } from '../turns.ts';
import { asTaken, hasRoom, refusePending, refuseTaken } from './admission.ts';
import { openAnnouncements } from './announcements.ts';
import { checkRecords } from './check.ts';
import { budgetLock, enterSpending, type Judged, readBalance, readSpending } from './ledger.ts';
import { openLists } from './lists.ts';
import { insertDelivery, openOutbox } from './outbox.ts';
import { openQueries, orDamaged } from './queries.ts';
import { storeSearch } from './search.ts';
import { openStageTimes } from './stage-times.ts';
import { createTransactions } from './transactions.ts';
import {
  deleteImage,
  findDeletion,
  insertImages,
  insertLabels,
  insertSharedNames,
  lockImage,
  lockTogether,
  type NewImage,
  rewriteImage,
  writeUsage,
} from './writes.ts';

export interface PostgresRecordsOptions {
  /** Open and migrated. `close` of the store leaves it open. */
  readonly database: PostgresDatabase;
  /** Hears of deliveries that other replicas add. `close` of the store leaves it open. */
  readonly session: Pick<PostgresSession, 'listen'>;
  /** Derives from each write its ledger entries, webhook delivery, owned names and columns. */
  readonly derive: Derive;
  /**
   * Sends the jobs of these images within the transaction that stores them, for each write with `Derived.startsJob`. Resolves to what is to
   * be called once that is durable.
   */
  readonly enlist?: (statements: Statements, mediaIds: readonly string[]) => Promise<() => void>;
  /** Names this store in the notifications that it sends, so that it knows them for its own. A random one by default. */
  readonly instance?: string;
}

/**
 * Record store in PostgreSQL, which many processes share. Resolves once it hears of what others do. Raises `ImageError` where the server
 * cannot be reached.
 *
 * A write is one transaction. An image is locked from its read to its write, so that the rules of the core run in between; unique indexes
 * decide who has a mediaId or a key. Locks are taken in one order, so that no two writes wait for each other: mediaIds and keys of a call,
 * the queue, the image, its shared files, the budget. Writes that take turns do so in this process first, in which they hold no connection.
 */
export async function openPostgresRecords({
  database,
  session,
  derive,
  enlist = async () => () => undefined,
  instance = randomUUID(),
}: PostgresRecordsOptions): Promise<RecordStore> {
  const transactions = createTransactions(database);
  const { read, write } = transactions;
  const queries = openQueries(read, derive);
  const turns = createTurns();
  let onNewDelivery = (): void => undefined;
  const announcements = await openAnnouncements({ database, session, instance, onDelivery: () => onNewDelivery() });
  const outbox = openOutbox({
    transactions,
    turns: (id, work) => turns.take(`delivery ${id}`, work),
    onChanged(isDue) {
      queueMicrotask(() => onNewDelivery());
      if (isDue) announcements.deliveryDue();
    },
  });

  /**
   * Stores the images by `stores`, statements that have been sent, and what they cause. What a budget has to be asked for is entered when
   * all else is answered, as others wait from then on; without one everything is sent at once.
   */
  const storeAll = async (
    statements: Statements,
    stores: readonly Promise<unknown>[],
    images: readonly NewImage[],
    guard: SpendingGuard | undefined,
  ): Promise<Stored> => {
    const owner = images[0]?.stored.image.owner ?? '';
    const deliveries = images.map(async ({ stored, derived }) => {
      if (derived.delivery) await insertDelivery(statements, derived.delivery, stored);
    });
    const jobs = images.filter(({ derived }) => derived.startsJob).map(({ stored }) => stored.image.mediaId);
    const enlisted = jobs.length > 0 ? enlist(statements, jobs) : Promise.resolve(() => undefined);
    const others = allOf([...stores, ...deliveries, enlisted]);
    if (budgetLock(guard, owner) !== null) await others;
    const derived = images.map((image) => image.derived);
    const [, onJobsSent, judged] = await allOf([others, enlisted, enterSpending(statements, derived, owner, guard)]);
    return { images, onJobsSent, judged };
  };

  /** Says what a write causes that is durable. */
  const written = ({ images, onJobsSent, judged }: Stored): void => {
    onJobsSent();
    if (images.some(({ derived }) => derived.delivery)) {
      queueMicrotask(() => onNewDelivery());
      announcements.deliveryDue();
    }
    judged?.guard.check(judged.owner, judged.balances);
  };

  /** Takes the turn of each image, and that of a budget where there is one. */
  const inTurn = <T>(images: readonly string[], budget: string | null, work: () => Promise<T>): Promise<T> =>
    turns.takeAll([...(budget === null ? [] : [budget]), ...images.map((mediaId) => `image ${mediaId}`)], work);

  /** The image that has the mediaId or the key of one of these. */
  const findTaken = async (images: readonly Image[]): Promise<Acceptance | null> => {
    for (const { mediaId, owner, idempotencyKey } of images) {
      const same = await queries.get(mediaId);
      if (same) return { outcome: 'exists', by: 'mediaId', image: same };
      const keyed = idempotencyKey === null ? null : await queries.findByKey(owner, idempotencyKey);
      if (keyed) return { outcome: 'exists', by: 'idempotencyKey', image: keyed };
    }
    return null;
  };

  const tryAccept = (
    images: readonly Image[],
    queueLimit: number,
    guard: SpendingGuard | undefined,
  ): Promise<'taken' | 'queue_full' | Stored> =>
    write(async (statements, note) => {
      await lockTogether(statements, images);
      if (!(await hasRoom(statements, images.length, queueLimit))) return 'queue_full';
      const added = images.map((image) => ({ stored: asStored(image), derived: derive(null, image) }));
      const stores = [
        insertImages(statements, added, note).then(refuseTaken),
        insertLabels(statements, images),
        insertSharedNames(statements, added),
        storeSearch(statements, images),
        findDeletion(statements, images).then(refusePending),
      ];
      return await storeAll(statements, stores, added, guard);
    }).catch(asTaken);

  const rewrite = (
    mediaId: string,
    change: (image: Image) => Image | null,
    guard: SpendingGuard | undefined,
    queueLimit: number,
  ): Promise<Image | null | 'queue_full'> =>
    inTurn([mediaId], guard ? 'easel budget' : null, async () => {
      const result = await orDamaged(mediaId, () =>
        write(async (statements, note) => {
          const room = await hasRoom(statements, 1, queueLimit);
          const row = await lockImage(statements, mediaId);
          note(row);
          const before = readImage(row);
          const image = before && change(before);
          if (!before || !image) return { image: before };
          if (image.mediaId !== mediaId) throw new TypeError(`an update cannot rename ${mediaId} to ${image.mediaId}`);
          if (!room) return 'queue_full';
          const after = { stored: asStored(image), derived: derive(before, image) };
          const rewritten = rewriteImage(statements, before, after);
          return { image, before, stored: await storeAll(statements, [rewritten], [after], guard) };
        }),
      );
      if (result === 'queue_full') return result;
      if (result.stored) {
        announcements.imageChanged(result.before, result.image);
        written(result.stored);
      }
      return result.image;
    });

  return {
    outbox: {
      ...outbox,
      onNew(listener) {
        onNewDelivery = listener;
      },
    },

    async accept(given, queueLimit, guard) {
      const images = [given].flat();
      const mediaIds = images.map(({ mediaId }) => mediaId);
      const budget = budgetLock(guard, images[0]?.owner ?? '');
      return await inTurn(mediaIds, budget, async () => {
        for (;;) {
          const result = await tryAccept(images, queueLimit, guard);
          if (typeof result !== 'string') {
            for (const image of images) announcements.imageChanged(null, image);
            written(result);
            return { outcome: 'accepted' };
          }
          const taken = await findTaken(images);
          if (taken) return taken;
          if (result === 'queue_full') return { outcome: 'queue_full' };
          // The image that was in the way has been removed meanwhile.
        }
      });
    },

    ...queries,
    ...openLists(transactions),
    ...openStageTimes(transactions),

    async update(mediaId, change, guard) {
      const image = await rewrite(mediaId, change, guard, Number.POSITIVE_INFINITY);
      return image === 'queue_full' ? null : image;
    },

    requeue: (mediaId, queueLimit, change, guard) => rewrite(mediaId, change, guard, queueLimit),

    remove: (mediaId, condition = () => true) =>
      inTurn([mediaId], null, async () => {
        let removed: Image | null = null;
        const deletion = await orDamaged(mediaId, () =>
          write(async (statements, note): Promise<Deletion | null> => {
            const row = await lockImage(statements, mediaId);
            note(row);
            const before = readImage(row);
            if (!before || !condition(before)) return null;
            const derived = derive(before, null);
            const deleted = await deleteImage(statements, mediaId, derived);
            removed = before;
            await enterSpending(statements, [derived], before.owner, undefined);
            return deleted;
          }),
        );
        if (deletion) announcements.imageChanged(removed, null);
        return deletion;
      }),

    deletionDone: (mediaId) =>
      write(async ({ run }) => void (await run('DELETE FROM easel.deletions WHERE media_id = $1', [mediaId]))),

    spending: (from, owner, to) => readSpending(read, from, owner, to ?? null),
    balance: (day, owner) => readBalance(read, day, owner),

    async noteUsage(kind, outputTokens) {
      // What is known needs no commit, which the picture would wait for.
      if ((await queries.largestUsage(kind)) >= outputTokens) return;
      await write((statements) => writeUsage(statements, kind, outputTokens));
    },

    async saveCleanup(cleanup) {
      await write(async ({ run }) => {
        await run(
          'INSERT INTO easel.last_cleanup VALUES (1, $1) ON CONFLICT (id) DO UPDATE SET report = excluded.report',
          [JSON.stringify(cleanup)],
        );
      });
    },

    async identity() {
      const find = async () => (await read('SELECT uuid FROM easel.identity'))[0]?.uuid;
      const known = await find();
      if (known !== undefined) return String(known);
      await write(async ({ run }) => {
        await run('INSERT INTO easel.identity VALUES (1, $1) ON CONFLICT DO NOTHING', [randomUUID()]);
      });
      return String(await find());
    },

    check: () => checkRecords(transactions),

    async close() {
      onNewDelivery = () => undefined;
      await turns.ended();
      await announcements.close();
      await transactions.close();
    },
  };
}

/** A write that a commit makes durable. */
interface Stored {
  readonly images: readonly NewImage[];
  readonly onJobsSent: () => void;
  readonly judged: Judged | null;
}
