/** The bytes that the files of a store take: those of the latest whole walk, and the changes since. */
export interface UsedBytes {
  /** What a whole walk has found. */
  set(bytes: number): void;
  /** A change that this process made; negative for bytes that were freed. */
  add(bytes: number): void;
  /** The bytes now. Walks through the store where the latest walk is too long ago. */
  bytes(): Promise<number>;
  /** True once there was a walk: before, changes need not be counted. */
  readonly isKnown: boolean;
}

/** A walk is repeated when a hundred times its duration has passed, so that walks take a percent of the time at most. */
const REST = 100;
/** A walk that took longer than this, in milliseconds, is repeated in the background. */
const SHORT_WALK_MS = 500;

/** `walk` looks at every file and ends with a call of `set`. */
export function createUsedBytes(walk: () => Promise<void>): UsedBytes {
  let measured: number | null = null;
  let measuredAt = Number.NEGATIVE_INFINITY;
  let walkMs = 0;
  let walking: Promise<void> | null = null;

  async function measure(): Promise<void> {
    const began = performance.now();
    try {
      await walk();
    } finally {
      walkMs = performance.now() - began;
      measuredAt = performance.now();
      walking = null;
    }
  }

  return {
    set(bytes) {
      measured = bytes;
    },
    add(bytes) {
      if (measured !== null) measured += bytes;
    },
    async bytes() {
      if (performance.now() - measuredAt > REST * walkMs) walking ??= measure();
      if (measured === null || walkMs < SHORT_WALK_MS) await walking;
      else walking?.catch(() => undefined);
      return Math.round(measured ?? 0);
    },
    get isKnown() {
      return measured !== null;
    },
  };
}
