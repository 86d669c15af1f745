/**
 * Remembers calls for pictures whose answer did not bring the picture: an agent whose call was cut off, or timed out, often makes the same
 * call again. Sent under the key of the first, it joins that picture, and nothing is paid twice. A call whose answer arrived is forgotten:
 * the same call after it asks for another picture.
 */

import { createHash, randomUUID } from 'node:crypto';
import { LRUCache } from 'lru-cache';

/** A call for a picture that is being answered. */
export interface PictureCall {
  /** Its Idempotency-Key. */
  readonly key: string;
  /** The answer did not bring the picture, or its client has left: the same call again joins this one. */
  leave(): void;
  /** The service has it, as this picture. */
  accepted(mediaId: string): void;
  /** The answer is out. Nothing is noted of it any more. */
  end(): void;
}

/** Whose call it is. */
export interface CallOrigin {
  /** What names the caller, such as the key; only a hash of it is kept. */
  readonly caller: string;
  /** The id that the client gave the call, by which it says that it has left. */
  readonly requestId: string | number;
}

export interface CallMemory {
  /** Begins a call: under the key of the oldest equal one that was left, else under a new one. */
  begin(origin: CallOrigin, request: object): PictureCall;
  /** The client says that it waits for this call no longer. */
  leave(origin: CallOrigin): void;
  /** The caller has seen how this picture ended. */
  collected(caller: string, mediaId: string): void;
}

/** Calls that are remembered at once. */
const MOST_CALLS = 1_000;
/** How long a call that was left is remembered, in milliseconds: longer than any picture takes. */
const REMEMBERED_MS = 3_600_000;

interface LeftCall {
  readonly key: string;
  readonly caller: string;
  /** Null until it is known. */
  mediaId: string | null;
}

export function createCallMemory(): CallMemory {
  /** By what was asked, the oldest first. */
  const left = new LRUCache<string, readonly LeftCall[]>({ max: MOST_CALLS, ttl: REMEMBERED_MS });
  const open = new Map<string, Set<PictureCall>>();

  function take(name: string): string | null {
    const [first, ...rest] = left.get(name) ?? [];
    if (rest.length > 0) left.set(name, rest);
    else left.delete(name);
    return first?.key ?? null;
  }

  function keep(name: string, call: LeftCall): void {
    left.set(name, [...(left.get(name) ?? []), call]);
  }

  return {
    begin({ caller, requestId }, request) {
      const name = hash(caller, request);
      const at = hash(caller, [requestId]);
      const key = take(name) ?? randomUUID();
      const entry: LeftCall = { key, caller: hash(caller, []), mediaId: null };
      let wasLeft = false;
      let hasEnded = false;
      const call: PictureCall = {
        key,
        leave() {
          // The connection closes after every answer. One that was left and is joined by another is that one's.
          if (wasLeft || hasEnded) return;
          wasLeft = true;
          keep(name, entry);
        },
        accepted(mediaId) {
          entry.mediaId = mediaId;
        },
        end() {
          hasEnded = true;
          const calls = open.get(at);
          calls?.delete(call);
          if (calls?.size === 0) open.delete(at);
        },
      };
      open.set(at, (open.get(at) ?? new Set()).add(call));
      return call;
    },

    leave({ caller, requestId }) {
      for (const call of open.get(hash(caller, [requestId])) ?? []) call.leave();
    },

    collected(caller, mediaId) {
      const owner = hash(caller, []);
      for (const [name, calls] of left.entries()) {
        const rest = calls.filter((call) => call.mediaId !== mediaId || call.caller !== owner);
        if (rest.length === 0) left.delete(name);
        else if (rest.length < calls.length) left.set(name, rest);
      }
    },
  };
}

function hash(caller: string, value: object): string {
  return createHash('sha256')
    .update(JSON.stringify([caller, value]))
    .digest('base64');
}
