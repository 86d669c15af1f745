/** Something in the history. */
export interface HistoryEntry<Change, Content> {
  readonly change: Change;
  /** What is sent of it: made when it is first asked for, once for all who ask, unless that fails. */
  content(): Promise<Content>;
}

/**
 * The latest changes, in memory. Places are numbers that grow by one: a reader keeps the place that it reads next, and has missed something
 * where that is before `first`.
 */
export interface History<Change, Content> {
  /** The place of the oldest entry; `next` where there is none. */
  first(): number;
  /** The place of the next entry. */
  next(): number;
  at(place: number): HistoryEntry<Change, Content> | undefined;
  add(change: Change): void;
  /** Forgets all, so that every reader has missed something. */
  breakOff(): void;
}

/** What a history holds at most: entries, their size as JSON in characters, and milliseconds since they were added. */
export interface HistoryLimits {
  readonly entries: number;
  readonly characters: number;
  readonly ageMs: number;
}

interface Kept<Change, Content> extends HistoryEntry<Change, Content> {
  readonly characters: number;
  readonly addedAt: number;
}

/** `monotonic` gives milliseconds. */
export function createHistory<Change, Content>(
  toContent: (change: Change) => Promise<Content>,
  monotonic: () => number,
  limits: HistoryLimits,
): History<Change, Content> {
  const entries = new Map<number, Kept<Change, Content>>();
  let first = 0;
  let next = 0;
  let characters = 0;

  function prune(): void {
    const oldestTime = monotonic() - limits.ageMs;
    for (let oldest = entries.get(first); oldest !== undefined; oldest = entries.get(first)) {
      const isTooMuch = entries.size > limits.entries || characters > limits.characters;
      if (!isTooMuch && oldest.addedAt >= oldestTime) return;
      characters -= oldest.characters;
      entries.delete(first);
      first += 1;
    }
  }

  return {
    first() {
      prune();
      return first;
    },
    next: () => next,
    at: (place) => entries.get(place),
    add(change) {
      const size = JSON.stringify(change).length;
      entries.set(next, { change, content: once(() => toContent(change)), characters: size, addedAt: monotonic() });
      characters += size;
      next += 1;
      prune();
    },
    breakOff() {
      entries.clear();
      characters = 0;
      next += 1;
      first = next;
    },
  };
}

/** Does `make` when it is first called, and again after a failure. */
function once<T>(make: () => Promise<T>): () => Promise<T> {
  let made: Promise<T> | null = null;
  return () => {
    made ??= make().catch((error: unknown) => {
      made = null;
      throw error;
    });
    return made;
  };
}
