import type { SQLInputValue } from 'node:sqlite';
import { IMAGE_STATUSES, type Image, type ImageStatus } from '../../../core/domain/image.ts';
import type { Search } from '../../../core/domain/text/search-text.ts';
import type { LabelCount, ListQuery, Page } from '../../../core/ports/record-store.ts';
import { compareKeys, decodeCursor, encodeCursor, type SortKey } from '../cursor.ts';
import { parseImage } from '../rows.ts';
import type { LookedAt, Range } from '../search.ts';
import type { SqliteDatabase } from './database.ts';
import { IS_READABLE } from './schema/unreadable.ts';

/** The lists of the `RecordStore`, synchronous. */
export interface SqliteLists {
  /** A page of a list for which `isSearch` does not hold. */
  list(query: ListQuery): Page;
  /** `SearchedRecords.look` and `read`. */
  look(
    range: Range,
    search: Search | null,
    limit: number,
  ): { readonly images: readonly LookedAt[]; readonly rows: number; readonly isLast: boolean };
  readMany(mediaIds: readonly string[]): readonly Image[];
  labels(owner: string | null, limit: number): readonly LabelCount[];
}

export function openLists(sql: SqliteDatabase['sql']): SqliteLists {
  return {
    list(query) {
      const { limit } = query;
      const { text, values } = listStatement(query);
      const rows = sql(text).all(...values, limit + 1);
      const items = rows.slice(0, limit).map(parseImage);
      const last = items.at(-1);
      if (!last || rows.length <= limit) return { items, nextCursor: null };
      return { items, nextCursor: encodeCursor([Date.parse(last.createdAt), last.mediaId]) };
    },

    look(range, search, limit) {
      const { owner, before, since } = range;
      const statuses = range.status ?? (range.label || owner !== null ? IMAGE_STATUSES : [undefined]);
      const each = (range.label ?? [undefined]).flatMap((label) => statuses.map((status) => ({ label, status })));
      // One statement for each, so that there are few texts to prepare; what they give is merged here.
      const most = search === null ? limit : Math.max(Math.ceil(limit / each.length), MIN_LOOKED_AT);
      const found = each.map(({ label, status }) =>
        sql(lookStatement(range, label, status, search)).all({
          ...(label !== undefined && { label }),
          ...(status !== undefined && { status }),
          ...(owner !== null && { owner }),
          ...(search !== null && search.preset !== null && { preset: search.preset }),
          ...(search !== null && search.words.length > 0 && { words: JSON.stringify(search.words) }),
          createdAt: before[0],
          mediaId: before[1],
          since,
          limit: most,
        }),
      );
      const images = new Map(found.flat().map((row) => [String(row.media_id), lookedAt(row)]));
      const sorted = [...images.values()].sort((one, other) => compareKeys(other.key, one.key));
      const isLast = found.every((rows) => rows.length < most) && sorted.length <= most;
      // Behind so many, images of a statement that gave all that it may would be missing.
      return { images: sorted.slice(0, most), rows: found.flat().length, isLast };
    },

    readMany: (mediaIds) =>
      sql(
        `SELECT document FROM images
        WHERE media_id IN (SELECT value FROM json_each(?)) AND ${IS_READABLE}`,
      )
        .all(JSON.stringify(mediaIds))
        .map(parseImage),

    labels: (owner, limit) =>
      sql('SELECT label, images FROM label_totals WHERE owner = ? ORDER BY images DESC, label LIMIT ?')
        .all(owner ?? '', limit)
        .map(({ label, images }) => ({ label: String(label), images: Number(images) })),
  };
}

/** The fewest images that each statement of a search looks at. */
const MIN_LOOKED_AT = 50;

function lookedAt({ created_at, media_id, is_found }: Readonly<Record<string, unknown>>): LookedAt {
  const key: SortKey = [Number(created_at), String(media_id)];
  return { key, isFound: is_found === null ? null : is_found === 1 };
}

/**
 * The SQL for a page of the list, and the values to bind before the limit. Each status has a search of its own, which an index gives in
 * order and SQLite merges: with `IN` it would sort every image that has one of them. So the indexes by owner and by label need no second
 * form without the status.
 */
function listStatement(query: ListQuery): { readonly text: string; readonly values: readonly SQLInputValue[] } {
  const isNarrowed = query.label !== undefined || query.owner !== null;
  const searches = (query.status ?? (isNarrowed ? IMAGE_STATUSES : [undefined])).map((one) => searchOf(query, one));
  const text = `
    ${searches.map(({ text }) => text).join(' UNION ALL ')}
    ORDER BY created DESC, id DESC
    LIMIT ?`;
  return { text, values: searches.flatMap(({ values }) => values) };
}

/** The SQL that finds the images of a list that have this status, or any status. */
function searchOf(
  { label: labels, createdAfter, createdBefore, owner, cursor }: ListQuery,
  status: ImageStatus | undefined,
): { readonly text: string; readonly values: readonly SQLInputValue[] } {
  const label = labels?.[0];
  // With a label all conditions hold for the labels table, which has copies of what is searched for.
  const table = label === undefined ? 'images' : 'labels';
  const conditions: string[] = [IS_READABLE];
  const values: SQLInputValue[] = [];
  const where = (condition: string, ...bound: readonly SQLInputValue[]): void => {
    conditions.push(condition);
    values.push(...bound);
  };
  if (label !== undefined) where('labels.label = ?', label);
  if (status !== undefined) where(`${table}.status = ?`, status);
  if (owner !== null) where(`${table}.owner = ?`, owner);
  if (createdAfter !== undefined) where(`${table}.created_at >= ?`, Date.parse(createdAfter));
  if (createdBefore !== undefined) where(`${table}.created_at < ?`, Date.parse(createdBefore));
  if (cursor !== undefined) {
    where(`(${table}.created_at, ${table}.media_id) < (?, ?)`, ...decodeCursor(cursor));
  }
  const text = `
    SELECT document, ${table}.created_at AS created, ${table}.media_id AS id FROM ${sourceOf(label, owner, status)}
    WHERE ${conditions.join(' AND ')}`;
  return { text, values };
}

/** The SQL that looks at the next images of one label and status, newest first, and searches what is stored beside them. */
function lookStatement(
  { owner }: Pick<Range, 'owner'>,
  label: string | undefined,
  status: ImageStatus | undefined,
  search: Search | null,
): string {
  const conditions = [
    ...(label === undefined ? [] : ['label = :label']),
    ...(status === undefined ? [] : ['status = :status']),
    ...(owner === null ? [] : ['owner = :owner']),
    '(created_at, media_id) < (:createdAt, :mediaId)',
    'created_at >= :since',
  ];
  const places = `
    SELECT created_at, media_id FROM ${indexOf(label, owner, status)}
    WHERE ${conditions.join(' AND ')}
    ORDER BY created_at DESC, media_id DESC LIMIT :limit`;
  if (search === null) return `SELECT created_at, media_id, 1 AS is_found FROM (${places})`;
  const found = [
    ...(search.preset === null ? [] : [`ifnull(instr(search.preset || '@', :preset) = 1, 0)`]),
    ...(search.words.length === 0
      ? []
      : ['NOT EXISTS (SELECT 1 FROM json_each(:words) WHERE instr(search.words, value) = 0)']),
  ];
  return `
    SELECT created_at, media_id, CASE WHEN search.media_id IS NOT NULL THEN ${found.join(' AND ')} END AS is_found
    FROM (${places}) LEFT JOIN search USING (media_id)`;
}

/**
 * The tables of a search, with the index that gives exactly what fits, newest first. It has to be named: without statistics SQLite may take
 * one that fits some of the filters, and read all that have them.
 */
function sourceOf(label: string | undefined, owner: string | null, status: ImageStatus | undefined): string {
  const index = indexOf(label, owner, status);
  return label === undefined ? index : `${index} CROSS JOIN images USING (media_id)`;
}

function indexOf(label: string | undefined, owner: string | null, status: ImageStatus | undefined): string {
  if (label !== undefined) return `labels INDEXED BY ${owner === null ? 'labels_by_status' : 'labels_by_owner'}`;
  if (owner !== null) return 'images INDEXED BY images_by_owner';
  return `images INDEXED BY ${status === undefined ? 'images_by_age' : 'images_by_status'}`;
}
