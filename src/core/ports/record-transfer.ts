import type { Delivery } from '../domain/delivery.ts';
import type { Image } from '../domain/image.ts';
import type { Spending } from '../domain/money.ts';
import type { Deletion, Derived, LastCleanup, UsageKey } from './record-store.ts';

/**
 * Everything that a record store holds, to be carried into another one. No process may use the store meanwhile. Every method raises
 * `ImageError` where the database cannot be read.
 */
export interface RecordSource {
  /** `RecordStore.identity` of the store. */
  readonly identity: string;
  /** How many images it has, readable or not. */
  countImages(): number;
  /** The images after this mediaId, or from the first one for null, by mediaId; those that cannot be read are left out. */
  images(after: string | null, limit: number): readonly Image[];
  /** mediaIds of what cannot be read, images or the notes of files to remove. */
  unreadable(): readonly string[];
  /** The deliveries of the outbox after this number, or from the first one for 0, by number. */
  deliveries(after: number, limit: number): readonly StoredDelivery[];
  /** All that is beside images and deliveries. */
  rest(): RecordRest;
  /** Ends reading. */
  close(): void;
}

/** What a record store holds beside images and deliveries. */
export interface RecordRest {
  /** The whole ledger, reservations included. */
  readonly spending: readonly Spending[];
  readonly largestUsage: readonly StoredUsage[];
  readonly deletions: readonly Deletion[];
  readonly lastCleanup: LastCleanup | null;
}

/** A delivery of the outbox. */
export interface StoredDelivery {
  /** Its place among all: later ones have greater numbers. */
  readonly number: number;
  readonly delivery: Delivery;
  /** The image as it was when it ended. */
  readonly image: Image;
  readonly receiver: string;
  /** Whether the image was deleted since. */
  readonly imageRemoved: boolean;
}

export interface StoredUsage extends UsageKey {
  readonly outputTokens: number;
}

/** An image to take over, and what its columns follow from. */
export interface ImageToImport {
  readonly image: Image;
  readonly derived: Derived;
}

/**
 * Takes the records of another store over as they are: no webhook, no ledger entry and no job follows. It can be interrupted at any time
 * and begun again. Every method raises `ImageError` with `storage_full` or `storage_unavailable`.
 */
export interface RecordImporter {
  /**
   * Begins, or goes on with, the import of the store with this identity. Raises `ForeignRecordsError` where the database holds records
   * that are not of that store. `finishedAt` is when an earlier import ended (ISO 8601, UTC); null while one is under way.
   */
  begin(identity: string): Promise<{ readonly finishedAt: string | null }>;
  /** Adds the images that are missing, in one transaction. */
  add(images: readonly ImageToImport[]): Promise<void>;
  /** Whether each of these images is there, in their order. */
  compare(images: readonly Image[]): Promise<readonly Presence[]>;
  /** Adds the deliveries that are missing, in one transaction. */
  addDeliveries(deliveries: readonly StoredDelivery[]): Promise<void>;
  /** Stores all the rest, and the secrets of the installation by their names, and ends the import, in one transaction. */
  finish(rest: RecordRest, secrets: ReadonlyMap<string, string>): Promise<void>;
  countImages(): Promise<number>;
}

/** Whether an image is in the target: not at all, as it is in the source, or otherwise. */
export type Presence = 'missing' | 'same' | 'different';
