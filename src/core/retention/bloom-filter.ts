import { hash, randomBytes } from 'node:crypto';

/** A Bloom filter over file names: no false negatives, few false positives. */
export interface BloomFilter {
  add(name: string): void;
  /** True for every name that was added, and for few others. */
  mayContain(name: string): boolean;
}

const BITS_PER_NAME = 16;
/** The size of the smallest filter: 64 KiB. */
const MIN_BITS = 2 ** 19;
/** Each 32-bit word of a name's SHA-256 sets one bit. */
const WORDS = [0, 1, 2, 3, 4, 5, 6, 7] as const;

/**
 * Creates a Bloom filter (https://doi.org/10.1145/362686.362692) with two bytes for each expected name. Its false positive rate
 * is 1 in 1,700 with that many names and 1 in 39 with twice as many. Each filter has its own salt, so a false positive of one run
 * does not recur in the next.
 */
export function createBloomFilter(expected: number): BloomFilter {
  const bits = Math.max(MIN_BITS, 8 * Math.ceil((expected * BITS_PER_NAME) / 8));
  const bytes = new Uint8Array(bits / 8);
  const salt = randomBytes(16).toString('hex');

  const bitPositions = (name: string): readonly number[] => {
    const digest = hash('sha256', salt + name, 'buffer');
    return WORDS.map((word) => digest.readUInt32LE(4 * word) % bits);
  };
  const byteAt = (bit: number): number => bytes[bit >>> 3] ?? 0;

  return {
    add(name) {
      for (const bit of bitPositions(name)) bytes[bit >>> 3] = byteAt(bit) | (1 << (bit & 7));
    },
    mayContain: (name) => bitPositions(name).every((bit) => (byteAt(bit) & (1 << (bit & 7))) !== 0),
  };
}
