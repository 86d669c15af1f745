import { once } from 'node:events';
import { createChangeSignal } from '../upstream/change-signal.ts';

/** Room in memory for the pictures that calls under way have with them. */
export interface InputRoom {
  /**
   * Resolves when there is room for so many bytes, which are taken until it is disposed of: in the order of asking, and at once where no
   * call has any, however many they are. Rejects with the signal's reason.
   */
  take(bytes: number, signal: AbortSignal): Promise<Disposable>;
}

export function createInputRoom(limit: number): InputRoom {
  const waiting: symbol[] = [];
  const change = createChangeSignal();
  let taken = 0;
  return {
    async take(bytes, signal) {
      const ticket = Symbol();
      waiting.push(ticket);
      try {
        signal.throwIfAborted();
        while (waiting[0] !== ticket || (taken > 0 && taken + bytes > limit)) {
          const woken = AbortSignal.any([signal, change.next]);
          if (!woken.aborted) await once(woken, 'abort');
          signal.throwIfAborted();
        }
        taken += bytes;
      } finally {
        waiting.splice(waiting.indexOf(ticket), 1);
        change.fire();
      }
      let isTaken = true;
      return {
        [Symbol.dispose]() {
          if (!isTaken) return;
          isTaken = false;
          taken -= bytes;
          change.fire();
        },
      };
    },
  };
}
