interface StreamSlotOptions {
  /** Ends the waiting for a slot. */
  readonly signal: AbortSignal;
  /** What the slot is used for; it is free again when this ends. */
  readonly use: () => Promise<void>;
  /** Called every few seconds while none is free: the page has to read by itself. */
  readonly onNoneFree: () => void;
}

/** A browser has six connections to a host of HTTP/1.1, over all its tabs and windows: half of them are for everything else. */
const SLOTS = 3;
const AGAIN_MS = 5000;

/** Holds one of few streams that the open pages of this service share, for as long as it is used. Raises what `use` raises. */
export async function withStreamSlot({ signal, use, onNoneFree }: StreamSlotOptions): Promise<void> {
  // Browsers have locks only where the page came by https, or from their own machine.
  if (navigator.locks === undefined) return await use();
  for (;;) {
    for (let slot = 0; slot < SLOTS; slot += 1) {
      const isUsed = await navigator.locks.request(`easel-events-${slot}`, { ifAvailable: true }, async (lock) => {
        if (lock !== null) await use();
        return lock !== null;
      });
      if (isUsed) return;
    }
    signal.throwIfAborted();
    onNoneFree();
    await pause(AGAIN_MS, signal);
  }
}

function pause(ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const end = () => {
      clearTimeout(timer);
      signal.removeEventListener('abort', end);
      resolve();
    };
    const timer = setTimeout(end, ms);
    signal.addEventListener('abort', end);
  });
}
