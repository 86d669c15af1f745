import type { ServiceEvent } from '../service/event-stream.ts';
import { ServiceError } from '../service/service-error.ts';
import type { ImageRecord, PartialPicture } from '../service/types.ts';
import type { Page } from '../state/page.ts';
import { type Filters, filterQuery } from '../state/places.ts';
import { createStore, type Store } from '../state/store.ts';
import {
  compareKeys,
  indexOf,
  type ListPage,
  missingPage,
  placeFor,
  withAllStale,
  withChanged,
  withInserted,
  without,
  withoutFar,
  withRead,
} from './list-pages.ts';
import { watchQueue } from './queue-positions.ts';
import { fits, summarize, withStatus } from './summarize.ts';
import type { Summary } from './summary.ts';

export interface ListState {
  readonly pages: readonly ListPage[];
  /** New pictures that are held back, since they would push away what is looked at; newest first. */
  readonly waiting: readonly Summary[];
  readonly isReading: boolean;
  /** Why reading stopped; null while it did not. */
  readonly error: unknown;
}

/** What of the list is on show: the places from `first` to before `end`. */
export interface View {
  readonly first: number;
  readonly end: number;
}

/** The pictures of one choice of filters, read as they come on show, and kept up to date by events. */
export interface PictureList extends Pick<Store<ListState>, 'get' | 'subscribe'> {
  /** Reads what is on show, and somewhat ahead. */
  readonly show: (view: View) => void;
  /** Puts the new pictures that are held back in front. */
  readonly showWaiting: () => void;
  /** Reads on where the list ends, or where an error stopped it. */
  readonly readOn: () => void;
  /** Reads one image again, such as one whose signed URL has run out. */
  readonly refresh: (mediaId: string) => Promise<void>;
  /** This image stays even where the filters no longer let it through, as it has the focus; null for none. */
  readonly hold: (mediaId: string | null) => void;
  readonly close: () => void;
}

interface ListDeps extends Pick<Page, 'service' | 'images' | 'connection'> {
  /**
   * Whether the list's beginning is on show now, so that new pictures may come in front. Asked when it matters: what was last drawn may be
   * behind the window, and a picture in front would push away what is looked at.
   */
  readonly isAtTop: () => boolean;
}

/** How many records the first reading takes, and the others. */
const FIRST_LIMIT = 30;
const LIMIT = 60;
/** Places that are read ahead of what is on show. */
const AHEAD = 24;
/** Places after which what was read is left out again. */
const FAR = 1500;

/** Opens a list. `pages`: what is known of it already. */
export function openPictureList(
  { service, images, connection, isAtTop }: ListDeps,
  filters: Filters,
  pages: readonly ListPage[],
): PictureList {
  const store = createStore<ListState>({ pages, waiting: [], isReading: false, error: null });
  const ending = new AbortController();
  const { signal } = ending;
  let view: View = { first: 0, end: 0 };
  let held: string | null = null;
  let ahead = AHEAD;
  /** The events since the present reading began: its answer may be older than they are. */
  let events: ServiceEvent[] = [];
  const set = (change: Partial<ListState>) => store.set({ ...store.get(), ...change });

  const read = async () => {
    if (store.get().isReading || store.get().error !== null || signal.aborted) return;
    try {
      for (;;) {
        const index = missingPage(store.get().pages, view.first - ahead, view.end + ahead);
        const page = store.get().pages[index];
        if (page === undefined) break;
        set({ isReading: true });
        await readPage(index, page);
      }
      set({ isReading: false });
    } catch (error) {
      if (!signal.aborted) set({ isReading: false, error });
    } finally {
      ahead = AHEAD;
    }
  };

  const readPage = async (index: number, { cursor, count }: ListPage) => {
    const query = filterQuery(filters);
    const isFirst = cursor === null && count <= FIRST_LIMIT;
    query.set('limit', `${isFirst ? FIRST_LIMIT : LIMIT}`);
    if (cursor !== null) query.set('cursor', cursor);
    events = [];
    try {
      const { items, nextCursor } = await service.list(query, signal);
      takeOver(index, items.map(summarize), nextCursor);
      for (const event of events) apply(event);
    } catch (error) {
      const isLost = error instanceof ServiceError && error.problem === null && connection.get().isLost;
      if (!isLost) throw error;
      await connection.whenBack(signal);
    }
  };

  const takeOver = (index: number, items: readonly Summary[], nextCursor: string | null) => {
    const { pages, waiting } = store.get();
    const before = new Map(pages[index]?.entries?.map((entry) => [entry.mediaId, entry]));
    // An event brings partial pictures, a record has none.
    const read = items.map((item) => {
      const partial = before.get(item.mediaId)?.partial ?? null;
      return item.status === 'generating' && partial !== null ? { ...item, partial } : item;
    });
    const head = index === 0 && !isAtTop() ? pages[0]?.entries?.[0] : undefined;
    const fresh = head === undefined ? [] : read.filter((item) => compareKeys(item, head) < 0);
    const others = read.slice(fresh.length);
    // All of it is new: there may be more between it and what is on show, so the beginning is read again when it is asked for.
    const isBehind = fresh.length > 0 && others.length === 0;
    const [page] = pages;
    set({
      pages: isBehind && page ? pages.with(0, { ...page, isStale: false }) : withRead(pages, index, others, nextCursor),
      waiting: merged(waiting, fresh).filter(({ mediaId }) => !others.some((one) => one.mediaId === mediaId)),
    });
  };

  /** Changes an image wherever it is. Returns whether it is known. */
  const change = (mediaId: string, by: (summary: Summary) => Summary): boolean => {
    const { pages, waiting } = store.get();
    const changed = withChanged(pages, mediaId, by);
    const isWaiting = waiting.some((one) => one.mediaId === mediaId);
    if (changed === pages && !isWaiting) return false;
    set({
      pages: changed,
      waiting: isWaiting ? waiting.map((one) => (one.mediaId === mediaId ? by(one) : one)) : waiting,
    });
    return true;
  };

  const remove = (mediaId: string) => {
    const { pages, waiting } = store.get();
    const others = waiting.filter((one) => one.mediaId !== mediaId);
    set({ pages: without(pages, mediaId), waiting: others.length === waiting.length ? waiting : others });
  };

  const admit = (record: ImageRecord) => {
    const summary = summarize(record);
    const isKnown = change(summary.mediaId, ({ partial }) => ({
      ...summary,
      partial: summary.status === 'generating' ? partial : null,
    }));
    if (!fits(record, filters)) {
      if (isKnown && summary.mediaId !== held) remove(summary.mediaId);
      return;
    }
    if (isKnown) return;
    const { pages, waiting } = store.get();
    const place = placeFor(pages, summary);
    // After Reload the beginning may not be read, but what comes anew belongs there.
    const isBeforeAll = place === null && pages.length > 1 && pages[0]?.entries === null;
    const isPushing = place !== null && place < view.end;
    if ((isPushing || isBeforeAll) && !isAtTop()) set({ waiting: merged(waiting, [summary]) });
    else if (place !== null) set({ pages: withInserted(pages, summary) });
  };

  const readAndAdmit = async (mediaId: string) => {
    try {
      admit((await service.read(mediaId, signal)).record);
    } catch {
      // It is gone, or comes with the next reading of the list.
    }
  };

  const setPartial = ({ mediaId, base64 }: PartialPicture) => {
    if (indexOf(store.get().pages, mediaId) < 0) return;
    const partial = toBlob(base64);
    change(mediaId, (summary) => (isPaintedNow(summary) ? { ...summary, partial } : summary));
  };

  const queueChanged = watchQueue({
    service,
    signal,
    onRead(positions) {
      for (const [mediaId, queuePosition] of positions) {
        change(mediaId, (summary) => (summary.status === 'queued' ? { ...summary, queuePosition } : summary));
      }
    },
  });

  const apply = (event: ServiceEvent) => {
    if (event.type !== 'partial' && hasQueued(store.get().pages)) queueChanged();
    switch (event.type) {
      case 'created':
      case 'changed':
      case 'done':
        admit(event.data);
        if (event.data.status === 'queued') queueChanged();
        return;
      case 'status': {
        const { mediaId, status } = event.data;
        const isKnown = change(mediaId, (summary) => withStatus(summary, event.data));
        const isListed = filters.status.length === 0 || filters.status.includes(status);
        if (isKnown && !isListed && mediaId !== held) remove(mediaId);
        // It may have come among those that are listed; whether it has, its record says.
        if (!isKnown && isListed && filters.status.length > 0) void readAndAdmit(mediaId);
        return;
      }
      case 'partial':
        setPartial(event.data);
        return;
      case 'deleted':
        remove(event.data.mediaId);
        return;
      case 'reset':
        set({ pages: withAllStale(store.get().pages) });
        void read();
        return;
    }
  };

  const stopListening = images.listen((event) => {
    if (store.get().isReading) events.push(event);
    apply(event);
  });

  return {
    get: store.get,
    subscribe: store.subscribe,
    show(next) {
      view = next;
      const { pages, waiting } = store.get();
      const kept = withoutFar(pages, view.first, view.end, FAR);
      if (kept !== pages) set({ pages: kept });
      if (waiting.length > 0 && isAtTop()) this.showWaiting();
      void read();
    },
    showWaiting() {
      const { pages, waiting } = store.get();
      const shown = waiting.reduce(withInserted, pages);
      const [first] = shown;
      set({ pages: first ? shown.with(0, { ...first, isStale: true }) : shown, waiting: [] });
      void read();
    },
    readOn() {
      set({ error: null });
      ahead = 2 * LIMIT;
      void read();
    },
    refresh: readAndAdmit,
    hold(mediaId) {
      held = mediaId;
    },
    close() {
      stopListening();
      ending.abort();
    },
  };
}

function hasQueued(pages: readonly ListPage[]): boolean {
  return pages.some(({ entries }) => entries?.some(({ status }) => status === 'queued'));
}

function isPaintedNow({ status }: Summary): boolean {
  return status === 'generating';
}

/** Both, newest first, each image once. */
function merged(some: readonly Summary[], others: readonly Summary[]): readonly Summary[] {
  if (others.length === 0) return some;
  const byId = new Map([...some, ...others].map((one) => [one.mediaId, one]));
  return [...byId.values()].sort(compareKeys);
}

function toBlob(base64: string): Blob {
  return new Blob([Uint8Array.from(atob(base64), (character) => character.charCodeAt(0))]);
}
