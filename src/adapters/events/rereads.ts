import { setTimeout as delay } from 'node:timers/promises';

/** Reads what a notice was about, once for a burst of them. */
export interface Rereads {
  /** Reads it again, after a read that is under way. */
  ask(mediaId: string): void;
  /** Leaves out what a read under way finds, and reads once more. */
  supersede(mediaId: string): void;
  /** Begins no further read. Resolves when none runs. */
  close(): Promise<void>;
}

/** Milliseconds until a read that failed is done again. */
const RETRY_MS = 500;

/**
 * Does `read` for each mediaId that is asked for, one read of a mediaId at a time. `read` returns what to do with what it found, which is
 * left out where the mediaId was asked for once more meanwhile. A read that fails is done again as long as `isWanted`.
 */
export function createRereads(
  read: (mediaId: string) => Promise<() => void>,
  isWanted: (mediaId: string) => boolean,
): Rereads {
  /** By mediaId, the reads under way, and whether another is to follow. */
  const reads = new Map<string, { isStale: boolean; readonly done: Promise<void> }>();
  const closing = new AbortController();

  async function run(mediaId: string): Promise<void> {
    // In a turn of its own, so that the entry is there.
    await Promise.resolve();
    const entry = reads.get(mediaId);
    while (entry && isWanted(mediaId) && !closing.signal.aborted) {
      entry.isStale = false;
      try {
        const apply = await read(mediaId);
        if (entry.isStale) continue;
        if (!closing.signal.aborted) apply();
        return;
      } catch {
        await delay(RETRY_MS, undefined, { signal: closing.signal, ref: false }).catch(() => undefined);
      }
    }
  }

  function supersede(mediaId: string): boolean {
    const known = reads.get(mediaId);
    if (known) known.isStale = true;
    return known !== undefined;
  }

  return {
    supersede: (mediaId) => void supersede(mediaId),
    ask(mediaId) {
      if (supersede(mediaId)) return;
      if (closing.signal.aborted || !isWanted(mediaId)) return;
      const done = run(mediaId).finally(() => reads.delete(mediaId));
      reads.set(mediaId, { isStale: false, done });
    },
    async close() {
      closing.abort();
      await Promise.all([...reads.values()].map(({ done }) => done));
    },
  };
}
