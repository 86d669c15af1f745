/** Takes a place, and resolves to what gives it back; an answer that has waited for long enough is read without one. */
export type TakePlace = () => Promise<Disposable>;

/**
 * Bounds how many large answers are read at the same time: where dozens arrive together, each would otherwise have a buffer of its own that
 * fills slowly, while one after the other they are read and stored, and their memory is used again. It is only an order: what was paid for
 * is read after `maxWaitMs` in any case, so that a slow answer keeps no other one waiting for longer.
 */
export function createAnswersAtOnce(places: number, maxWaitMs: number): TakePlace {
  let free = places;
  const waiting = new Set<() => void>();

  function giveBack(): void {
    const [next] = waiting;
    if (next === undefined) free += 1;
    else next();
  }

  return async () => {
    if (free > 0) {
      free -= 1;
    } else if (!(await isNext())) {
      return { [Symbol.dispose]: () => {} };
    }
    let isGiven = false;
    return {
      [Symbol.dispose]() {
        if (!isGiven) giveBack();
        isGiven = true;
      },
    };
  };

  /** True once a place is free for this answer, false where it has waited for long enough. */
  function isNext(): Promise<boolean> {
    const { promise, resolve } = Promise.withResolvers<boolean>();
    const end = (hasPlace: boolean) => {
      clearTimeout(timer);
      waiting.delete(next);
      resolve(hasPlace);
    };
    const next = () => end(true);
    const timer = setTimeout(() => end(false), maxWaitMs);
    waiting.add(next);
    return promise;
  }
}
