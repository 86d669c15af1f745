import type { Delivery } from '../domain/delivery.ts';
import type { Image, ImageStatus } from '../domain/image.ts';
import type { Balance, Spending, SpendingGuard } from '../domain/money.ts';
import type { Outbox } from './webhooks.ts';

// --------------------------------------------------------------- records

export type Acceptance =
  | { readonly outcome: 'accepted' }
  /** The mediaId, or the owner's idempotency key, is in use by this image; nothing was written. */
  | { readonly outcome: 'exists'; readonly by: 'mediaId' | 'idempotencyKey'; readonly image: Image }
  | { readonly outcome: 'queue_full' };

export interface ListQuery {
  readonly limit: number;
  readonly status?: ImageStatus | undefined;
  readonly label?: string | undefined;
  /** ISO 8601 bounds on createdAt: from (inclusive) and to (exclusive). */
  readonly createdAfter?: string | undefined;
  readonly createdBefore?: string | undefined;
  /** Only images of this owner; null for all. */
  readonly owner: string | null;
  /** `nextCursor` of the page before. */
  readonly cursor?: string | undefined;
}

export interface Page {
  readonly items: readonly Image[];
  readonly nextCursor: string | null;
}

export interface RetentionQuery {
  /** Milliseconds since 1970: an image counts when it expires at or before this … */
  readonly now: number;
  /** … or, having no expiry of its own, was created at or before this; null: by its own expiry only. */
  readonly createdBefore: number | null;
  readonly status: ImageStatus | null;
  readonly limit: number;
  readonly after: Place | null;
}

/** A place in the order of age: after this image. */
export interface Place {
  readonly createdAt: string;
  readonly mediaId: string;
}

/** What a cleanup did, and when it ended (ISO 8601, UTC). */
export interface LastCleanup extends CleanupReport {
  readonly time: string;
}

/** The files of an image whose record is gone and whose files have to follow. */
export interface Deletion {
  readonly mediaId: string;
  readonly names: readonly string[];
}

/**
 * Says what a change of an image means for the rest of the store. A pure function of the core, called inside the write's transaction
 * with the image before (null: it is new) and after (null: it is removed). With the same image twice it says what holds of that
 * image without a change.
 */
export type Derive = (before: Image | null, after: Image | null) => Derived;

/** What the store writes beside the image itself. It keeps these values as they are and has no rule of its own for them. */
export interface Derived {
  /** Ledger entries as differences to add, at most one per day, owner and model. */
  readonly ledger: readonly Spending[];
  /** Whether the entries spend or hold back more than they free, so that a `SpendingGuard` has to be asked. */
  readonly spendsMore: boolean;
  /** The webhook delivery that the change causes, or null. */
  readonly delivery: NewDelivery | null;
  /**
   * The file names that belong to the image after the change; after a removal, all that its deletion has to take away.
   * `mediaIdOf` gives the image's mediaId for each.
   */
  readonly ownedNames: readonly string[];
  /** Milliseconds since 1970; `never` keeps the image from every cleanup, null leaves it to its age. */
  readonly expiresAt: number | 'never' | null;
  /** Bytes of all its files together. */
  readonly storedBytes: number;
}

/** A delivery for the outbox, with the host and port that it goes to. */
export interface NewDelivery {
  readonly delivery: Delivery;
  readonly receiver: string;
}

/**
 * The durable rows and the ledger: `accept`, `update` and `remove` store what their `Derive` gives in the same transaction as the
 * image itself. The ledger outlives the images. Every method that resolves has its effect on disk.
 * Raises `ImageError` with `storage_full` or `storage_unavailable` when the database cannot be written or read.
 */
export interface RecordStore {
  /** Webhook deliveries: rows that come with the write that causes them, and go with the image. */
  readonly outbox: Outbox;
  /**
   * Writes a new image, which is also its job, unless the mediaId or the idempotency key is taken, or
   * `queueLimit` images are queued already. One transaction.
   */
  accept(image: Image, queueLimit: number, guard?: SpendingGuard): Promise<Acceptance>;
  get(mediaId: string): Promise<Image | null>;
  /** The image that the owner's idempotency key stands for, or null. */
  findByKey(owner: string, idempotencyKey: string): Promise<Image | null>;
  /**
   * Reads, changes and writes one image in one transaction, and gives what is then stored.
   * `change` returns null to leave it as it is. Gives null where there is no such image.
   */
  update(mediaId: string, change: (image: Image) => Image | null, guard?: SpendingGuard): Promise<Image | null>;
  /** `update` for an image that is to wait again; a change is not written while `queueLimit` images are queued already. */
  requeue(
    mediaId: string,
    queueLimit: number,
    change: (image: Image) => Image | null,
    guard?: SpendingGuard,
  ): Promise<Image | null | 'queue_full'>;
  /** Newest first, by createdAt and mediaId; the cursor stays true while images come and go. */
  list(query: ListQuery): Promise<Page>;
  /** The mediaIds with work left, the jobs: those that are not finished, oldest first, then those with renditions pending. */
  unfinished(): Promise<readonly string[]>;
  countByStatus(): Promise<Readonly<Record<ImageStatus, number>>>;
  /** Bytes of all files of all images: the sum of their `Derived.storedBytes`. */
  mediaBytes(): Promise<number>;
  /** The ledger from a day (YYYY-MM-DD) on, newest day first, without what is held back; of one owner or, for null, of all. */
  spending(from: string, owner: string | null): Promise<readonly Spending[]>;
  /** Of one owner or, for null, of the whole service. */
  balance(day: string, owner: string | null): Promise<Balance>;
  /** Finished images whose time has come, oldest first. Costs what it finds, not what it leaves. Never one that expires `never`. */
  expired(query: RetentionQuery): Promise<readonly Image[]>;
  /** Finished images of any age, but for those that expire `never`, oldest first, after a place in that order. */
  oldest(limit: number, after: Place | null): Promise<readonly Image[]>;
  /** Keeps the report of the last cleanup. */
  saveCleanup(cleanup: LastCleanup): Promise<void>;
  lastCleanup(): Promise<LastCleanup | null>;
  /**
   * Removes the record and notes the files that have to go, in one transaction, if `condition` holds for it.
   * Gives null where it does not or there is no such image. The note stays until `deletionDone`; until then `accept`
   * refuses the mediaId with `storage_unavailable`, or the new image would lose its files to the old one's removal.
   */
  remove(mediaId: string, condition?: (image: Image) => boolean): Promise<Deletion | null>;
  pendingDeletions(): Promise<readonly Deletion[]>;
  deletionDone(mediaId: string): Promise<void>;
  /** Which of these file names belong to a record or a pending deletion: are among their `Derived.ownedNames`. */
  ownedNames(names: readonly string[]): Promise<ReadonlySet<string>>;
  /** Writes something and reads it back. */
  check(): Promise<void>;
  close(): Promise<void>;
}

/** Succeeded images of which a published file is gone. */
export interface MissingFiles {
  readonly missingFiles: number;
  /** Their mediaIds, newest first; of 100 at most. */
  readonly missingFilesOf: readonly string[];
}

export interface CleanupReport extends MissingFiles {
  readonly deleted: number;
  readonly freedBytes: number;
  readonly kept: number;
  readonly orphansRemoved: number;
  readonly dryRun: boolean;
  readonly durationMs: number;
}
