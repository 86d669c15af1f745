import { countAll, type ListPage } from './list-pages.ts';

/** Where in a list the page was when it was left. */
export interface SavedPlace {
  /** The choice of filters, as the hash has it. */
  readonly hash: string;
  readonly pages: readonly ListPage[];
  /** The first place on show, and how far below the window's top it stood, in CSS pixels. */
  readonly index: number;
  readonly top: number;
  readonly columns: number;
  readonly pitch: number;
  /** The image that had the focus; null for none, and after Reload. */
  readonly focused: string | null;
}

const STORAGE_KEY = 'easel.gallery';
/** How many entries of the history keep their place. */
const KEPT = 8;

/** Places of this page's life, with what was read; `key` is the API key that it was read with. */
const kept = new Map<string, { readonly key: string | null; readonly place: SavedPlace }>();

/** A name of the present entry of the history, by which Back and Reload find its place again. */
export function historyEntry(): string {
  const state: unknown = history.state;
  const known = typeof state === 'object' && state !== null && 'gallery' in state ? state.gallery : null;
  if (typeof known === 'string') return known;
  const made = `${Date.now().toString(36)}-${Math.random().toString(36).slice(2)}`;
  history.replaceState({ ...(typeof state === 'object' ? state : {}), gallery: made }, '');
  return made;
}

/** Keeps the place; across Reload without what was read, and without the focus. */
export function savePlace(entry: string, key: string | null, place: SavedPlace): void {
  kept.delete(entry);
  kept.set(entry, { key, place });
  for (const old of [...kept.keys()].slice(0, -KEPT)) kept.delete(old);
  const pages = place.pages.map((page) => ({ ...page, entries: null, isStale: false }));
  const stored = readStored().filter(([name]) => name !== entry);
  try {
    const last = [...stored, [entry, { ...place, pages, focused: null }]].slice(-KEPT);
    sessionStorage.setItem(STORAGE_KEY, JSON.stringify(last));
  } catch {
    // Without storage, Reload begins at the top.
  }
}

/** The place of an entry of the history for this choice of filters; null for none. */
export function findPlace(entry: string, key: string | null, hash: string): SavedPlace | null {
  const known = kept.get(entry);
  if (known?.key === key && known.place.hash === hash) return known.place;
  const stored = new Map(readStored()).get(entry);
  return stored?.hash === hash && countAll(stored.pages) > 0 ? stored : null;
}

function readStored(): [string, SavedPlace][] {
  try {
    return JSON.parse(sessionStorage.getItem(STORAGE_KEY) ?? '[]');
  } catch {
    return [];
  }
}
