/** The timers of Node, for tests to replace. */
export interface Timers<Handle = unknown> {
  /** Milliseconds of a clock that is never set. */
  now(): number;
  setTimeout(callback: () => void, ms: number): Handle;
  clearTimeout(handle: Handle): void;
}

/** Time is counted in ticks of this length. */
const TICK_MS = 1000;
/** A tick that comes later than this after its time shows that the process was suspended. */
const LATE_MS = 500;
/** What is left at least after a suspension: time to read what arrived meanwhile. */
const GRACE_MS = 1000;

const NODE_TIMERS: Timers<NodeJS.Timeout> = { now: () => performance.now(), setTimeout, clearTimeout };

/**
 * Calls `onTimeout` once this process has been awake for `ms` milliseconds, and returns a function that stops the timer. The time in
 * which the process was suspended (SIGSTOP, a closed lid, a moved virtual machine) does not count: an answer that arrived during it
 * lies in the socket, and is read first. Each tick counts its own length, however late it comes.
 */
export function startAwakeTimeout(ms: number, onTimeout: () => void, timers: Timers = NODE_TIMERS): () => void {
  let left = ms;
  let handle = startTick();

  function startTick(): unknown {
    const length = Math.min(TICK_MS, left);
    const due = timers.now() + length;
    return timers.setTimeout(() => {
      left -= length;
      if (timers.now() - due > LATE_MS) left = Math.max(left, GRACE_MS);
      if (left > 0) handle = startTick();
      else onTimeout();
    }, length);
  }

  return () => timers.clearTimeout(handle);
}
