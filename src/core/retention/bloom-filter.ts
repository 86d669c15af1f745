import { hash, randomBytes } from 'node:crypto';

/** Remembers names in little room. */
export interface BloomFilter {
  add(name: string): void;
  /** True for every name that was added, and now and then for another. */
  mayContain(name: string): boolean;
}

const BITS_PER_NAME = 16;
/** 64 KiB. */
const MIN_BITS = 2 ** 19;
/** One bit of each name by each 32-bit word of its SHA-256. */
const WORDS = [0, 1, 2, 3, 4, 5, 6, 7] as const;

/**
 * A Bloom filter (https://doi.org/10.1145/362686.362692) of two bytes for each name that is expected: with as many, it takes
 * one name in 1,700 for one that was added, and with twice as many, one in 39. Each filter errs about other names.
 */
export function createBloomFilter(expected: number): BloomFilter {
  const bits = Math.max(MIN_BITS, 8 * Math.ceil((expected * BITS_PER_NAME) / 8));
  const bytes = new Uint8Array(bits / 8);
  const salt = randomBytes(16).toString('hex');

  const bitPositions = (name: string): readonly number[] => {
    const digest = hash('sha256', salt + name, 'buffer');
    return WORDS.map((word) => digest.readUInt32LE(4 * word) % bits);
  };
  const byteOf = (place: number): number => bytes[place >>> 3] ?? 0;

  return {
    add(name) {
      for (const place of bitPositions(name)) bytes[place >>> 3] = byteOf(place) | (1 << (place & 7));
    },
    mayContain: (name) => bitPositions(name).every((place) => (byteOf(place) & (1 << (place & 7))) !== 0),
  };
}
