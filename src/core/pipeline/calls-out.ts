/**
 * Counts the paid calls that are out: each from before its attempt is recorded until its picture is durable, or the call has failed.
 * So a picture counts whose bytes are held because the disk is full.
 */
export interface CallsOut {
  count(): number;
  /** Counts the calls that `attempt` makes, one at a time. */
  counted<Args extends unknown[], Result>(
    attempt: (...args: Args) => Promise<Result>,
  ): (...args: Args) => Promise<Result>;
  /** Resolves when no call is out, at once where there is none. */
  ended(): Promise<void>;
  /** Calls `listener` whenever the count has changed, until the returned function is called. */
  onChange(listener: (count: number) => void): () => void;
}

export function createCallsOut(): CallsOut {
  const listeners = new Set<(count: number) => void>();
  let count = 0;

  function change(by: 1 | -1): void {
    count += by;
    for (const listener of [...listeners]) listener(count);
  }

  function onChange(listener: (count: number) => void): () => void {
    listeners.add(listener);
    return () => void listeners.delete(listener);
  }

  return {
    count: () => count,
    onChange,
    counted(attempt) {
      return async (...args) => {
        change(1);
        try {
          return await attempt(...args);
        } finally {
          change(-1);
        }
      };
    },
    ended() {
      if (count === 0) return Promise.resolve();
      return new Promise((resolve) => {
        const unsubscribe = onChange((left) => {
          if (left > 0) return;
          unsubscribe();
          resolve();
        });
      });
    },
  };
}
