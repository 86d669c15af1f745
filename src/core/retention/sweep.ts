import type { RecordStore } from '../ports/record-store.ts';
import type { BloomFilter } from './bloom-filter.ts';

/** One cleanup under way: how it runs, and what it has removed so far. Under `dryRun` that is what it would have removed. */
export interface Sweep {
  readonly dryRun: boolean;
  /** Milliseconds since 1970. */
  readonly startedAt: number;
  /** mediaIds of removed images. */
  readonly removed: Set<string>;
  freedBytes: number;
}

/** What one walk through the media store found. */
export interface Inventory {
  /** Names of the stored files. */
  readonly names: Pick<BloomFilter, 'mayContain'>;
  /** Number of the stored files. */
  readonly files: number;
}

/** Images or files handled between two turns of the event loop. */
export const BATCH_SIZE = 100;

export async function countImages(records: Pick<RecordStore, 'countByStatus'>): Promise<number> {
  return Object.values(await records.countByStatus()).reduce((sum, count) => sum + count, 0);
}
