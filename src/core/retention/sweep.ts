import type { RecordStore } from '../ports/record-store.ts';
import type { PassOver } from './sweep-watch.ts';

/** One cleanup under way: how it runs, and what it has removed so far. Under `dryRun` that is what it would have removed. */
export interface Sweep {
  readonly dryRun: boolean;
  /** True where orphans stay: they are looked at alone. */
  readonly keepsOrphans: boolean;
  /** Milliseconds since 1970. */
  readonly startedAt: number;
  /** mediaIds of removed images, in their order. */
  readonly removed: Set<string>;
  /** How many of the removed images named each input, in a dry run, whose records are still there. */
  readonly released: Map<string, number>;
  freedBytes: number;
  /** Notes an image or a file that cannot be dealt with. The sweep goes on with the rest. */
  readonly passOver: PassOver;
}

/** What one walk through the media store found. */
export interface Inventory {
  /** True for every file that the walk found with this name and size, and for few others. */
  mayHold(file: { readonly name: string; readonly bytes: number }): boolean;
  /** Number of the stored files, without those whose names Easel cannot have given. */
  readonly files: number;
}

/** Images or files handled between two turns of the event loop. */
export const BATCH_SIZE = 100;

export async function countImages(records: Pick<RecordStore, 'countByStatus'>): Promise<number> {
  return Object.values(await records.countByStatus()).reduce((sum, count) => sum + count, 0);
}
