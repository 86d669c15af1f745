/** Runs work with the same key one after the other, in the order of the calls, and work with different keys at once. */
export type TakeTurns = <T>(key: string, work: () => Promise<T>) => Promise<T>;

interface Turns {
  readonly take: TakeTurns;
  /** Runs work that has the turns of all these keys. They are taken in order, so that no two wait for each other. */
  takeAll<T>(keys: readonly string[], work: () => Promise<T>): Promise<T>;
  /** Resolves when no work is left, that which is added meanwhile included. */
  ended(): Promise<void>;
}

/** Work begins within the call where nothing else with its key is under way. One that fails does not hold up the next. */
export function createTurns(): Turns {
  const last = new Map<string, Promise<unknown>>();

  const take: TakeTurns = async (key, work) => {
    const before = last.get(key);
    const mine = before === undefined ? work() : before.then(work, work);
    last.set(key, mine);
    try {
      return await mine;
    } finally {
      if (last.get(key) === mine) last.delete(key);
    }
  };

  return {
    take,

    takeAll<T>(keys: readonly string[], work: () => Promise<T>) {
      const inOrder = [...new Set(keys)].sort();
      return inOrder.reduceRight<() => Promise<T>>((rest, key) => () => take(key, rest), work)();
    },

    async ended() {
      while (last.size > 0) await Promise.allSettled(last.values());
    },
  };
}
