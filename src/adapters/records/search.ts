import type { Image } from '../../core/domain/image.ts';
import { isFound, type Search, searchEntryOf, searchOf } from '../../core/domain/text/search-text.ts';
import type { ListQuery, Page } from '../../core/ports/record-store.ts';
import { decodeCursor, encodeCursor, type SortKey } from './cursor.ts';

/**
 * Pages of lists that no index gives by itself: those by words, by preset, and by several labels. The other filters have an index that
 * gives images in order; each is looked at, by what is stored beside it (`SearchEntry`), and the records of those that fit are read. How
 * many are looked at for one page is bounded, so that a word that is nowhere costs no more than any other.
 */

/** Images looked at for one page, by what is stored beside them. */
export const MAX_LOOKED_AT = 20_000;
/** An image without a `SearchEntry`, of an older Easel, is looked at by its record, which costs as much as so many others. */
const COST_OF_RECORD = 20;
/** Records that are read at a time. */
const BATCH_SIZE = 100;

/** An image as it was looked at. */
export interface LookedAt {
  readonly key: SortKey;
  /** Whether the search finds it; null where no `SearchEntry` is stored for it. */
  readonly isFound: boolean | null;
}

/** What the images of a list are chosen by, beside the search. */
export interface Range extends Pick<ListQuery, 'status' | 'label' | 'owner'> {
  /** Places before this one, newest first. */
  readonly before: SortKey;
  /** Milliseconds since 1970. */
  readonly since: number;
}

/** The tables, as a search uses them. */
export interface SearchedRecords {
  /**
   * The next images of the range, in order, without a gap; `limit` is about how many. `isLast` says that there are no more, and `rows` how
   * many were looked at.
   */
  look(
    range: Range,
    search: Search | null,
    limit: number,
  ): Promise<{ readonly images: readonly LookedAt[]; readonly rows: number; readonly isLast: boolean }>;
  /** The records of these that are still there and can be read. */
  read(mediaIds: readonly string[]): Promise<readonly Image[]>;
  /** Stores the `SearchEntry` of images that have none, as far as that is possible now. Does not reject. */
  remember(images: readonly Image[]): Promise<void>;
}

/** True for a list whose pages `searchPage` makes. */
export function isSearch({ q, preset, label }: ListQuery): boolean {
  return q !== undefined || preset !== undefined || (label?.length ?? 0) > 1;
}

/** The page of a list for which `isSearch` holds. Looks at some `lookAt` images at a time. */
export async function searchPage(query: ListQuery, lookAt: number, records: SearchedRecords): Promise<Page> {
  const search = searchOf(query);
  const { limit } = query;
  const atOnce = search === null ? limit + 1 : lookAt;
  const found: Image[] = [];
  let range = rangeOf(query);
  for (let cost = 0; ; ) {
    const { images, rows, isLast } = await records.look(range, search, atOnce);
    cost += rows;
    const candidates = images.filter((image) => image.isFound !== false);
    for (let at = 0; at < candidates.length; ) {
      const batch = candidates.slice(at, at + Math.max(Math.min(limit + 1 - found.length, BATCH_SIZE), BATCH_SIZE / 2));
      at += batch.length;
      const unknown = new Set(batch.flatMap(({ key, isFound }) => (isFound === null ? [key[1]] : [])));
      const read = await readInOrder(records, batch);
      found.push(...read.filter((image) => isListed(image, query, search)));
      if (found.length > limit) return pageOf(found.slice(0, limit), true);
      if (unknown.size === 0) continue;
      await records.remember(read.filter(({ mediaId }) => unknown.has(mediaId)));
      cost += COST_OF_RECORD * unknown.size;
      const last = batch.at(-1);
      if (last && cost >= MAX_LOOKED_AT && at < candidates.length)
        return { items: found, nextCursor: encodeCursor(last.key) };
    }
    const last = images.at(-1);
    if (isLast || last === undefined) return pageOf(found, false);
    if (cost >= MAX_LOOKED_AT) return { items: found, nextCursor: encodeCursor(last.key) };
    range = { ...range, before: last.key };
  }
}

async function readInOrder({ read }: SearchedRecords, images: readonly LookedAt[]): Promise<readonly Image[]> {
  if (images.length === 0) return [];
  const records = await read(images.map(({ key }) => key[1]));
  const byId = new Map(records.map((image) => [image.mediaId, image]));
  return images.flatMap(({ key }) => byId.get(key[1]) ?? []);
}

/** Whether an image, as its record now is, belongs into the list: it may have changed since it was looked at. */
function isListed(image: Image, { status, label, owner }: ListQuery, search: Search | null): boolean {
  return (
    (owner === null || image.owner === owner) &&
    (status === undefined || status.includes(image.status)) &&
    (label === undefined || label.some((one) => image.request.labels.includes(one))) &&
    (search === null || isFound(search, searchEntryOf(image)))
  );
}

function pageOf(items: readonly Image[], hasMore: boolean): Page {
  const last = items.at(-1);
  return { items, nextCursor: last && hasMore ? encodeCursor([Date.parse(last.createdAt), last.mediaId]) : null };
}

/** Where the list begins and ends; no mediaId is before the empty one. */
function rangeOf({ status, label, owner, createdAfter, createdBefore, cursor }: ListQuery): Range {
  const end: SortKey = [createdBefore === undefined ? Number.MAX_SAFE_INTEGER : Date.parse(createdBefore), ''];
  const from = cursor === undefined ? end : decodeCursor(cursor);
  return {
    status,
    label,
    owner,
    before: from[0] < end[0] ? from : end,
    since: createdAfter === undefined ? Number.MIN_SAFE_INTEGER : Date.parse(createdAfter),
  };
}
