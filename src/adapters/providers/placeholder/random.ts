import { createHash } from 'node:crypto';

/** Gives the next number, from 0 up to but not including 1. */
export type Random = () => number;

/** The generator sfc32 (Chris Doty-Humphrey, PractRand), seeded with the SHA-256 of `seedText`: equal texts give equal numbers. */
export function seededRandom(seedText: string): Random {
  const seed = createHash('sha256').update(seedText).digest();
  let [a, b, c, counter] = [seed.readInt32LE(0), seed.readInt32LE(4), seed.readInt32LE(8), seed.readInt32LE(12)];
  return () => {
    const sum = (a + b + counter) | 0;
    counter = (counter + 1) | 0;
    a = b ^ (b >>> 9);
    b = (c + (c << 3)) | 0;
    c = ((c << 21) | (c >>> 11)) + sum;
    return (sum >>> 0) / 2 ** 32;
  };
}

/** A number from `low` to `high`. */
export function between(random: Random, low: number, high: number): number {
  return low + (high - low) * random();
}

/** One of the choices, each with the same probability. */
export function pick<T>(random: Random, choices: readonly [T, ...T[]]): T {
  return choices[Math.floor(random() * choices.length)] ?? choices[0];
}
