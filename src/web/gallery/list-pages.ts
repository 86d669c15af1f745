/**
 * A list that is read page by page, as plain data. Each page covers a range of places: it may be read, read and out of date, or left out
 * because it is far from what is on show; its place in the list is then kept by its count. Newest first.
 */

import type { Summary } from './summary.ts';

/** The place of an image in the list. */
export type Key = Pick<Summary, 'createdAt' | 'mediaId'>;

export interface ListPage {
  /** Where it begins, as the page before it said; null for the first. */
  readonly cursor: string | null;
  /** Its last place; null for the last page, which goes on to the end of the list. */
  readonly end: Key | null;
  /** Null where it is not read, or was left out. */
  readonly entries: readonly Summary[] | null;
  /** How many images it has; of a page that is not read, as far as known. */
  readonly count: number;
  /** Set where it has to be read again. */
  readonly isStale: boolean;
}

/** A list of which nothing is read yet. */
export const UNREAD: readonly ListPage[] = [{ cursor: null, end: null, entries: null, count: 0, isStale: false }];

/** Below 0 where `one` stands before `other`: newer, or as new and with the greater mediaId. */
export function compareKeys(one: Key, other: Key): number {
  if (one.createdAt !== other.createdAt) return one.createdAt > other.createdAt ? -1 : 1;
  if (one.mediaId === other.mediaId) return 0;
  return one.mediaId > other.mediaId ? -1 : 1;
}

export function countAll(pages: readonly ListPage[]): number {
  return pages.reduce((sum, { count }) => sum + count, 0);
}

/** Whether the list goes on behind what is known of it. */
export function hasMore(pages: readonly ListPage[]): boolean {
  return pages.at(-1)?.entries === null;
}

/** The image at a place; null where its page is not read. */
export function entryAt(pages: readonly ListPage[], index: number): Summary | null {
  let first = 0;
  for (const { count, entries } of pages) {
    if (index < first + count) return entries?.[index - first] ?? null;
    first += count;
  }
  return null;
}

/** The place of an image; -1 where it is not in the pages that are read. */
export function indexOf(pages: readonly ListPage[], mediaId: string): number {
  let first = 0;
  for (const { count, entries } of pages) {
    const at = entries?.findIndex((entry) => entry.mediaId === mediaId) ?? -1;
    if (at >= 0) return first + at;
    first += count;
  }
  return -1;
}

/** Which page has to be read for the places from `first` to before `end` to be on show and up to date; -1 for none. */
export function missingPage(pages: readonly ListPage[], first: number, end: number): number {
  let from = 0;
  return pages.findIndex(({ count, entries, isStale }, index) => {
    const isNear = from < end && (from + count > first || count === 0);
    const isTail = index === pages.length - 1 && from + count <= end;
    from += count;
    return (entries === null || isStale) && (isNear || isTail);
  });
}

/**
 * The list after page `index` was read: `items` from its cursor on, and `nextCursor` behind them. Where the page has grown beyond one
 * reading, the rest is a page of its own.
 */
export function withRead(
  pages: readonly ListPage[],
  index: number,
  items: readonly Summary[],
  nextCursor: string | null,
): readonly ListPage[] {
  const page = pages[index];
  if (page === undefined) return pages;
  const { cursor, end } = page;
  const entries = end === null ? items : items.filter((item) => compareKeys(item, end) <= 0);
  const last = entries.at(-1);
  const isCut = entries.length === items.length && nextCursor !== null && (!last || !end || compareKeys(last, end) < 0);
  const rest = end === null ? 0 : Math.max(page.count - entries.length, 1);
  // A page of a search may hold nothing and still not be the last.
  if (isCut && !last)
    return pages.with(index, { ...page, cursor: nextCursor, entries: null, count: rest, isStale: false });
  const read = { cursor, end: isCut ? keyOf(last) : end, entries, count: entries.length, isStale: false };
  if (!isCut) return pages.with(index, read);
  return pages.toSpliced(index, 1, read, { cursor: nextCursor, end, entries: null, count: rest, isStale: false });
}

function keyOf(entry: Summary | undefined): Key | null {
  return entry === undefined ? null : { createdAt: entry.createdAt, mediaId: entry.mediaId };
}

/** The list with one image changed; the same list where it is not in the pages that are read. */
export function withChanged(
  pages: readonly ListPage[],
  mediaId: string,
  change: (entry: Summary) => Summary,
): readonly ListPage[] {
  return withPageOf(pages, mediaId, (entries, at) => {
    const entry = entries[at];
    return entry === undefined ? entries : entries.with(at, change(entry));
  });
}

/** The list without one image. */
export function without(pages: readonly ListPage[], mediaId: string): readonly ListPage[] {
  return withPageOf(pages, mediaId, (entries, at) => entries.toSpliced(at, 1));
}

function withPageOf(
  pages: readonly ListPage[],
  mediaId: string,
  change: (entries: readonly Summary[], at: number) => readonly Summary[],
): readonly ListPage[] {
  for (const [index, page] of pages.entries()) {
    const at = page.entries?.findIndex((entry) => entry.mediaId === mediaId) ?? -1;
    if (page.entries === null || at < 0) continue;
    const entries = change(page.entries, at);
    return pages.with(index, { ...page, entries, count: entries.length });
  }
  return pages;
}

/** The place that an image would take; null where its page is not read, so that it comes with that. */
export function placeFor(pages: readonly ListPage[], key: Key): number | null {
  let first = 0;
  for (const { end, entries, count } of pages) {
    if (end === null || compareKeys(key, end) <= 0) {
      if (entries === null) return null;
      const at = entries.findIndex((entry) => compareKeys(key, entry) < 0);
      return first + (at < 0 ? entries.length : at);
    }
    first += count;
  }
  return null;
}

/** The list with one more image, at its place. */
export function withInserted(pages: readonly ListPage[], summary: Summary): readonly ListPage[] {
  const index = pages.findIndex(({ end }) => end === null || compareKeys(summary, end) <= 0);
  const page = pages[index];
  if (page === undefined || page.entries === null) return pages;
  const at = page.entries.findIndex((entry) => compareKeys(summary, entry) < 0);
  const entries = page.entries.toSpliced(at < 0 ? page.entries.length : at, 0, summary);
  return pages.with(index, { ...page, entries, count: entries.length });
}

/** The list with every page that is read to be read again, when it is on show. */
export function withAllStale(pages: readonly ListPage[]): readonly ListPage[] {
  return pages.map((page) => (page.entries === null ? page : { ...page, isStale: true }));
}

/** The list without the images of pages that are more than `far` places away from those between `first` and `end`. */
export function withoutFar(pages: readonly ListPage[], first: number, end: number, far: number): readonly ListPage[] {
  let from = 0;
  let isSame = true;
  const kept = pages.map((page) => {
    const isFar = from + page.count < first - far || from > end + far;
    from += page.count;
    if (!isFar || page.entries === null || page.end === null) return page;
    isSame = false;
    return { ...page, entries: null, isStale: false };
  });
  return isSame ? pages : kept;
}
