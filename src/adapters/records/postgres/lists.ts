import { FINISHED_STATUSES, IMAGE_STATUSES, type Image, type ImageStatus } from '../../../core/domain/image.ts';
import type {
  CallQuery,
  FoundCall,
  LabelCount,
  ListQuery,
  Page,
  Place,
  RetentionQuery,
} from '../../../core/ports/record-store.ts';
import { decodeCursor, encodeCursor } from '../cursor.ts';
import { NEVER, parseImage, placeKeyOf } from '../rows.ts';
import { isSearch, searchPage } from '../search.ts';
import { type Bind, createBinder, openLooks } from './looks.ts';
import { IS_READABLE } from './readable.ts';
import { LOOK_AT } from './search.ts';
import type { Transactions } from './transactions.ts';

/** The reads of the `RecordStore` that return many images; each promises what the port's method of that name does. */
interface PostgresLists {
  list(query: ListQuery): Promise<Page>;
  labels(owner: string | null, limit: number): Promise<readonly LabelCount[]>;
  expired(query: RetentionQuery): Promise<readonly Image[]>;
  oldest(limit: number, after: Place | null): Promise<readonly Image[]>;
  findCall(callId: string): Promise<readonly Image[]>;
  findCalls(query: CallQuery): Promise<readonly FoundCall[]>;
}

export function openLists(transactions: Pick<Transactions, 'read' | 'write'>): PostgresLists {
  const { read } = transactions;
  const searched = openLooks(transactions);

  /** The images that the searches find, which have a limit and an order each, by requestedAt and mediaId. */
  const oldestFirst = async (
    searches: (bind: Bind, from: string, end: string) => readonly string[],
    limit: number,
    after: Place | null,
  ): Promise<readonly Image[]> => {
    const { values, bind } = createBinder();
    const [requestedAt, mediaId] = placeKeyOf(after);
    const from = `(requested_at, media_id) > (${bind(requestedAt, 'bigint')}, ${bind(mediaId, 'text')}) AND ${IS_READABLE}`;
    const most = bind(limit, 'bigint');
    const found = searches(bind, from, `ORDER BY requested_at, media_id LIMIT ${most}`);
    const rows = await read(
      `SELECT document FROM (${found.map((search) => `(${search})`).join(' UNION ALL ')}) AS found
      ORDER BY requested_at, media_id LIMIT ${most}`,
      values,
    );
    return rows.map(parseImage);
  };

  return {
    async list(query) {
      if (isSearch(query)) return await searchPage(query, LOOK_AT, searched);
      const { values, bind } = createBinder();
      const { limit } = query;
      const isNarrowed = query.label !== undefined || query.owner !== null;
      const statuses = query.status ?? (isNarrowed ? IMAGE_STATUSES : [undefined]);
      // Each status has a search of its own, which an index gives in order: with several in one, all that have one would be sorted.
      const end = `ORDER BY created DESC, id DESC LIMIT ${bind(limit + 1, 'bigint')}`;
      const searches = statuses.map((status) => `(${listSearch(query, status, bind)} ${end})`);
      const rows = await read(`SELECT document FROM (${searches.join(' UNION ALL ')}) AS found ${end}`, values);
      const items = rows.slice(0, limit).map(parseImage);
      const last = items.at(-1);
      if (!last || rows.length <= limit) return { items, nextCursor: null };
      return { items, nextCursor: encodeCursor([Date.parse(last.createdAt), last.mediaId]) };
    },

    async labels(owner, limit) {
      const rows = await read(
        `SELECT label, sum(images)::bigint AS images FROM easel.label_totals ${owner === null ? '' : 'WHERE owner = $2'}
        GROUP BY label HAVING sum(images) > 0 ORDER BY images DESC, label LIMIT $1::bigint`,
        owner === null ? [limit] : [limit, owner],
      );
      return rows.map(({ label, images }) => ({ label: String(label), images: Number(images) }));
    },

    expired({ now, requestedBefore, status, limit, after }) {
      const statuses = FINISHED_STATUSES.filter((one) => status === null || one === status);
      if (statuses.length === 0) return Promise.resolve([]);
      return oldestFirst(
        (bind, from, end) => {
          const due = bind(now, 'bigint');
          const aged = requestedBefore === null ? null : bind(requestedBefore, 'bigint');
          return statuses.flatMap((one) => [
            // Sorted: those with an expiry of their own that has passed.
            `SELECT requested_at, media_id, document FROM easel.images
            WHERE status = '${one}' AND expires_at < ${NEVER} AND expires_at <= ${due} AND ${from} ${end}`,
            ...(aged === null
              ? []
              : [
                  `SELECT requested_at, media_id, document FROM easel.images
                  WHERE status = '${one}' AND expires_at IS NULL AND requested_at <= ${aged} AND ${from} ${end}`,
                ]),
          ]);
        },
        limit,
        after,
      );
    },

    oldest: (limit, after) =>
      oldestFirst(
        (_, from, end) =>
          FINISHED_STATUSES.flatMap((one) =>
            ['IS NULL', `< ${NEVER}`].map(
              (expiry) => `SELECT requested_at, media_id, document FROM easel.images
              WHERE status = '${one}' AND expires_at ${expiry} AND ${from} ${end}`,
            ),
          ),
        limit,
        after,
      ),

    async findCall(callId) {
      const rows = await read(
        `SELECT document FROM easel.images WHERE call_id = $1 AND ${IS_READABLE} ORDER BY call_index`,
        [callId],
      );
      return rows.map(parseImage);
    },

    async findCalls({ owner, digest, endedSince, limit }) {
      const rows = await read(
        `SELECT call_id, call_ended_at, created_at, idempotency_key IS NOT NULL AS keyed FROM easel.images
        WHERE owner = $1 AND call_digest = $2 AND call_ended_at >= $3::bigint
        ORDER BY call_ended_at DESC, created_at DESC, call_id DESC
        LIMIT $4::bigint`,
        [owner, digest, endedSince, limit],
      );
      const found = new Map<string, FoundCall & { readonly createdAt: number }>();
      // Of each call, the image that ends last comes first.
      for (const row of rows) {
        const id = String(row.call_id);
        const earlier = found.get(id);
        const endedAt = Number(row.call_ended_at);
        found.set(id, {
          id,
          isKeyed: row.keyed === true || (earlier?.isKeyed ?? false),
          endedAt: earlier ? earlier.endedAt : endedAt === NEVER ? null : endedAt,
          createdAt: Number(row.created_at),
        });
      }
      return [...found.values()]
        .sort((a, b) => a.createdAt - b.createdAt || (a.id < b.id ? -1 : 1))
        .map(({ createdAt: _, ...call }) => call);
    },
  };
}

/** The SQL that finds the images of a list that have this status, or any status, without order and limit. */
function listSearch(
  { label: labels, createdAfter, createdBefore, owner, cursor }: ListQuery,
  status: ImageStatus | undefined,
  bind: Bind,
): string {
  const label = labels?.[0];
  // With a label all conditions hold for the labels table, which has copies of what is searched for.
  const table = label === undefined ? 'images' : 'labels';
  const conditions = [IS_READABLE];
  if (label !== undefined) conditions.push(`labels.label = ${bind(label, 'text')}`);
  // A text, so that the planner sees the condition of a partial index in it.
  if (status !== undefined) conditions.push(`${table}.status = '${status}'`);
  if (owner !== null) conditions.push(`${table}.owner = ${bind(owner, 'text')}`);
  if (createdAfter !== undefined) conditions.push(`${table}.created_at >= ${bind(Date.parse(createdAfter), 'bigint')}`);
  if (createdBefore !== undefined)
    conditions.push(`${table}.created_at < ${bind(Date.parse(createdBefore), 'bigint')}`);
  if (cursor !== undefined) {
    const [createdAt, mediaId] = decodeCursor(cursor);
    const place = `(${bind(createdAt, 'bigint')}, ${bind(mediaId, 'text')})`;
    conditions.push(`(${table}.created_at, ${table}.media_id) < ${place}`);
  }
  const source = label === undefined ? 'easel.images' : 'easel.labels JOIN easel.images USING (media_id)';
  return `
    SELECT images.document, ${table}.created_at AS created, ${table}.media_id AS id FROM ${source}
    WHERE ${conditions.join(' AND ')}`;
}
