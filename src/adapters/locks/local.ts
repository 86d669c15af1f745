import type { Locks } from '../../core/ports/locks.ts';

/** Locks of this process alone. */
export function createLocalLocks(): Locks {
  /** By name, how many share a lock; -1 for one that is held alone. */
  const held = new Map<string, number>();

  return {
    async tryLock(name, mode = 'exclusive') {
      const holders = held.get(name) ?? 0;
      if (mode === 'exclusive' ? holders !== 0 : holders < 0) return null;
      held.set(name, mode === 'exclusive' ? -1 : holders + 1);
      let isHeld = true;
      return {
        async [Symbol.asyncDispose]() {
          if (!isHeld) return;
          isHeld = false;
          const left = mode === 'exclusive' ? 0 : (held.get(name) ?? 1) - 1;
          if (left === 0) held.delete(name);
          else held.set(name, left);
        },
      };
    },
  };
}
