import { LRUCache } from 'lru-cache';

/** How many calls are remembered as delivered: those of the last minutes, of as many clients as one process serves. */
const MAX_DELIVERED = 10_000;

/** What is known, in this process, of the clients of calls. */
export interface OpenCalls {
  /** A client waits for the call until it is disposed of. */
  enter(callId: string): Disposable;
  isAwaited(callId: string): boolean;
  /** A client has been given all images of the call. */
  noteDelivered(callId: string): void;
  wasDelivered(callId: string): boolean;
}

export function createOpenCalls(): OpenCalls {
  /** How many clients wait for a call. */
  const waiting = new Map<string, number>();
  const delivered = new LRUCache<string, true>({ max: MAX_DELIVERED });

  return {
    enter(callId) {
      let hasLeft = false;
      waiting.set(callId, (waiting.get(callId) ?? 0) + 1);
      return {
        [Symbol.dispose]() {
          if (hasLeft) return;
          hasLeft = true;
          const others = (waiting.get(callId) ?? 0) - 1;
          if (others > 0) waiting.set(callId, others);
          else waiting.delete(callId);
        },
      };
    },

    isAwaited: (callId) => waiting.has(callId),
    noteDelivered: (callId) => void delivered.set(callId, true),
    wasDelivered: (callId) => delivered.has(callId),
  };
}
