/**
 * The paid calls that this process makes now: each from before its attempt is recorded until its picture is durable, or the call has
 * failed. So a picture counts whose bytes are held because the disk is full.
 */
export interface RunningCalls {
  /** Counts the call of this attempt until what is returned is disposed of. */
  begin(attemptId: string): Disposable;
  /** Whether the call of this attempt runs. */
  has(attemptId: string): boolean;
  count(): number;
  /** Resolves when no call runs, at once where there is none. */
  ended(): Promise<void>;
  /** Calls `listener` whenever the count has changed, until the returned function is called. */
  onChange(listener: (count: number) => void): () => void;
}

export function createRunningCalls(): RunningCalls {
  const attempts = new Set<string>();
  const listeners = new Set<(count: number) => void>();

  function changed(): void {
    for (const listener of [...listeners]) listener(attempts.size);
  }

  function onChange(listener: (count: number) => void): () => void {
    listeners.add(listener);
    return () => void listeners.delete(listener);
  }

  return {
    count: () => attempts.size,
    has: (attemptId) => attempts.has(attemptId),
    onChange,
    begin(attemptId) {
      attempts.add(attemptId);
      changed();
      return {
        [Symbol.dispose]() {
          attempts.delete(attemptId);
          changed();
        },
      };
    },
    ended() {
      if (attempts.size === 0) return Promise.resolve();
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
