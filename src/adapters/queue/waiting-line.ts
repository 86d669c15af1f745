/** Who waits, in order. Adding, leaving and asking for a place take a time that grows with the logarithm of the length. */
export interface WaitingLine {
  /** Puts `key`, which is not in the line, at its end. */
  add(key: string): void;
  /** Takes `key` out; nothing happens where it is not in the line. */
  remove(key: string): void;
  /** Whether others count `key`, which keeps its place either way. Counted from the beginning. */
  setCounted(key: string, counted: boolean): void;
  /** How many that count are ahead of `key`; null where it is not in the line. */
  ahead(key: string): number | null;
  /** How many count. */
  counted(): number;
}

interface Place {
  index: number;
  counted: boolean;
}

const SMALLEST = 64;

/**
 * A line whose places are numbered in order and summed up in a binary indexed tree (Fenwick 1994, doi:10.1002/spe.4380240306): a scan
 * of a queue of thousands for each of the hundred records of a list would hold up every other request. Places are numbered anew when
 * the numbers run out, which costs each addition a constant share.
 */
export function createWaitingLine(): WaitingLine {
  /** In order of place: a `Map` keeps the order of insertion. */
  const places = new Map<string, Place>();
  let sums = new Int32Array(SMALLEST + 1);
  let next = 1;
  let total = 0;

  function count(index: number, change: number): void {
    total += change;
    for (let at = index; at < sums.length; at += at & -at) sums[at] = (sums[at] ?? 0) + change;
  }

  function renumber(): void {
    sums = new Int32Array(Math.max(SMALLEST, 2 * places.size) + 1);
    next = 1;
    total = 0;
    for (const place of places.values()) {
      place.index = next;
      next += 1;
      if (place.counted) count(place.index, 1);
    }
  }

  return {
    add(key) {
      if (next === sums.length) renumber();
      places.set(key, { index: next, counted: true });
      count(next, 1);
      next += 1;
    },
    remove(key) {
      const place = places.get(key);
      if (place === undefined) return;
      places.delete(key);
      if (place.counted) count(place.index, -1);
    },
    setCounted(key, counted) {
      const place = places.get(key);
      if (place === undefined || place.counted === counted) return;
      place.counted = counted;
      count(place.index, counted ? 1 : -1);
    },
    ahead(key) {
      const place = places.get(key);
      if (place === undefined) return null;
      let sum = 0;
      for (let at = place.index - 1; at > 0; at -= at & -at) sum += sums[at] ?? 0;
      return sum;
    },
    counted: () => total,
  };
}
