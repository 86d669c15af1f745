import type { Delivery } from '../domain/delivery.ts';
import type { Quality } from '../domain/formats.ts';
import type { Size } from '../domain/geometry.ts';
import type { Image, ImageStatus } from '../domain/image.ts';
import type { Balance, Spending, SpendingGuard } from '../domain/money.ts';
import type { SearchFilters } from '../domain/text/search-text.ts';
import type { Outbox } from './webhooks.ts';

/**
 * Stores the image records, the ledger, what calls took, the outbox and pending deletions. `accept`, `update`, `requeue` and `remove`
 * store what their `Derive` returns in the same transaction as the image itself. The ledger outlives the images.
 *
 * Once a method has resolved, its effect is durable. Every method raises `ImageError` with `storage_full` or `storage_unavailable` when the
 * database cannot be written or read; a write that raises the latter may have taken effect. An error of a `change` is raised as it is, and
 * nothing is written; a `change` may be called again where the image has changed meanwhile. These functions, and those of a guard, must not
 * call the store. What is read is durable. Images that are returned may be shared: they must not be changed.
 *
 * A record that cannot be read, after damage of the disk, fails what asks for it alone, with `storage_unavailable`. What returns many
 * passes over it, and all its files count as owned.
 */
export interface RecordStore {
  /** The deliveries that `Derived.delivery` caused. */
  readonly outbox: Outbox;
  /**
   * Adds a new image, or several of one owner, queued as jobs: all of them, or none where a mediaId or idempotency key is taken or more
   * than `queueLimit` images would be queued. The guard judges them in sum. Raises `storage_unavailable` while a deletion of a mediaId is
   * pending: the new image would lose its files to that deletion.
   */
  accept(images: Image | readonly Image[], queueLimit: number, guard?: SpendingGuard): Promise<Acceptance>;
  get(mediaId: string): Promise<Image | null>;
  /** The image of that owner with this idempotency key. */
  findByKey(owner: string, idempotencyKey: string): Promise<Image | null>;
  /** The images of the call with this id (`ImageCall.id`) that are still there, by their index. */
  findCall(callId: string): Promise<readonly Image[]>;
  /** The calls that fit, oldest first. Takes time only for what it finds. */
  findCalls(query: CallQuery): Promise<readonly FoundCall[]>;
  /**
   * Reads, changes and writes one image as in one transaction, and returns what is then stored. `change` returns null to leave the image
   * as it is, and must not change its mediaId (`TypeError`). Null where there is no such image.
   */
  update(mediaId: string, change: (image: Image) => Image | null, guard?: SpendingGuard): Promise<Image | null>;
  /** `update` for a change that queues the image again; it is not written while `queueLimit` images are queued already. */
  requeue(
    mediaId: string,
    queueLimit: number,
    change: (image: Image) => Image | null,
    guard?: SpendingGuard,
  ): Promise<Image | null | 'queue_full'>;
  /**
   * Deletes the record and notes its files for removal, in one transaction, if `condition` holds for it; null where it does not, or
   * there is no such image. The note stays until `deletionDone`. Of the files that it shares it has those that no other record names
   * then; one that is accepted later may name them again.
   */
  remove(mediaId: string, condition?: (image: Image) => boolean): Promise<Deletion | null>;
  /** Those of all images, or that of one. */
  pendingDeletions(mediaId?: string): Promise<readonly Deletion[]>;
  /** Call when the files of the deletion are gone. */
  deletionDone(mediaId: string): Promise<void>;

  /**
   * A page of the list, newest first, by createdAt and mediaId. An image added or removed between two pages repeats or hides no other.
   * With `q` or `preset` it looks at a bounded number of images, so that a page may have fewer than the limit, even none, and a next one.
   */
  list(query: ListQuery): Promise<Page>;
  /** Labels with the number of images that have them, of this owner or, for null, of all: the most used first, then by name. */
  labels(owner: string | null, limit: number): Promise<readonly LabelCount[]>;
  /**
   * When the queued image was requested that waits longest: ISO 8601, UTC; null where none is queued. Takes time for unfinished ones only.
   */
  oldestQueued(): Promise<string | null>;
  /** The mediaIds of all jobs: unfinished images, oldest first, then those with pending renditions. */
  unfinished(): Promise<readonly string[]>;
  /**
   * Finished images that have expired, but none that expires `never`; those whose present run was requested longest ago come first.
   * Takes time only for what it finds.
   */
  expired(query: RetentionQuery): Promise<readonly Image[]>;
  /** Finished images of any age, in the same order, but none that expires `never`. */
  oldest(limit: number, after: Place | null): Promise<readonly Image[]>;
  countByStatus(): Promise<Readonly<Record<ImageStatus, number>>>;
  /**
   * mediaIds of images that cannot be read, as far as this is known without reading all: those that an upgrade met, unfinished ones, and
   * those whose deletion is pending.
   */
  unreadable(): Promise<readonly string[]>;
  /**
   * Which of these file names belong to a record (`Derived.ownedNames`) or to a pending deletion, or are shared by records
   * (`Derived.sharedNames`). A shared name in a pending deletion belongs to nothing: whether it is removed, the records decide then.
   */
  ownedNames(names: readonly string[]): Promise<ReadonlySet<string>>;
  /** How many images of this owner, or of all for null, name each of these files as shared; names without any are left out. */
  countSharing(names: readonly string[], owner: string | null): Promise<ReadonlyMap<string, number>>;

  /**
   * The ledger from a day (YYYY-MM-DD) on, up to and including `to` where that is given, newest day first, without reservations; of one
   * owner or, for null, of all.
   */
  spending(from: string, owner: string | null, to?: string): Promise<readonly Spending[]>;
  /** What was spent on a day (YYYY-MM-DD) and is reserved now, of one owner or, for null, of the whole service. */
  balance(day: string, owner: string | null): Promise<Balance>;

  /** Keeps the output tokens that a call took, where they are more than those kept for calls of this kind. */
  noteUsage(kind: UsageKey, outputTokens: number): Promise<void>;
  /** The most output tokens that were noted for calls of this kind; 0 where none were. */
  largestUsage(kind: UsageKey): Promise<number>;

  /** Adds how long stages took to the counts, and removes those of hours before `keptFrom`. */
  noteStages(counts: readonly StageCount[], keptFrom: number): Promise<void>;
  /** The counts from an hour on, of all processes over these records: one for each stage and bucket. */
  stageCounts(fromHour: number): Promise<readonly Omit<StageCount, 'hour'>[]>;

  saveCleanup(cleanup: LastCleanup): Promise<void>;
  lastCleanup(): Promise<LastCleanup | null>;

  /** A random UUID that this store alone has. It is made at the first call, and kept for ever, by a backup too. */
  identity(): Promise<string>;

  /** Health check: writes something and reads it back. */
  check(): Promise<void>;
  /** Call once, when nothing else uses the store. */
  close(): Promise<void>;
}

/** Calls that may be expected to take about as many output tokens as each other. */
export interface UsageKey {
  readonly model: string;
  /** As asked for, so `auto` is a quality of its own. */
  readonly quality: Quality;
  readonly size: Size;
}

/** How often a stage took about as long as its bucket says, in one hour. The buckets are the caller's. */
export interface StageCount {
  /** Hours since 1970. */
  readonly hour: number;
  readonly stage: string;
  readonly bucket: number;
  readonly count: number;
}

/** The result of `RecordStore.accept`. */
export type Acceptance =
  | { readonly outcome: 'accepted' }
  /** The mediaId, or the owner's idempotency key, belongs to this image; nothing was written. */
  | { readonly outcome: 'exists'; readonly by: 'mediaId' | 'idempotencyKey'; readonly image: Image }
  | { readonly outcome: 'queue_full' };

/** Which calls `findCalls` returns. */
export interface CallQuery {
  readonly owner: string;
  /** `ImageCall.digest`. */
  readonly digest: string;
  /** Milliseconds since 1970. A call fits if an image of it is unfinished, or ended then or later. */
  readonly endedSince: number;
  /** The most images that are looked at: those that are unfinished, then those that ended last. */
  readonly limit: number;
}

/** A call that `findCalls` found, by those of its images that fit. */
export interface FoundCall {
  readonly id: string;
  /** Whether one of them has an idempotency key. */
  readonly isKeyed: boolean;
  /** When the last of them ended, in milliseconds since 1970; null where one is unfinished. A repair leaves it as it was. */
  readonly endedAt: number | null;
}

/** An image whose record is deleted and whose files are still to be removed. */
export interface Deletion {
  readonly mediaId: string;
  readonly names: readonly string[];
}

/** A label, and how many images have it. */
export interface LabelCount {
  readonly label: string;
  readonly images: number;
}

/** Filters of the list; all that are set must hold. */
export interface ListQuery extends SearchFilters {
  readonly limit: number;
  /** Images with one of these; at least one is named. */
  readonly status?: readonly ImageStatus[] | undefined;
  /** Images with one of these; at least one is named. */
  readonly label?: readonly string[] | undefined;
  /** ISO 8601 bounds on createdAt: from (inclusive) and to (exclusive). */
  readonly createdAfter?: string | undefined;
  readonly createdBefore?: string | undefined;
  /** Only images of this owner; null for all. */
  readonly owner: string | null;
  /** `nextCursor` of the previous page. Any other text raises `ImageError` with `invalid_request`. */
  readonly cursor?: string | undefined;
}

export interface Page {
  readonly items: readonly Image[];
  /** Null on the last page. */
  readonly nextCursor: string | null;
}

/** Which images `expired` returns, batch by batch. */
export interface RetentionQuery {
  /** Milliseconds since 1970. An image with an expiry of its own has expired if that is not later. */
  readonly now: number;
  /** Milliseconds since 1970. An image without its own expiry has expired if it was not requested later; null: it never expires. */
  readonly requestedBefore: number | null;
  /** Only images of this status; null for all. */
  readonly status: ImageStatus | null;
  readonly limit: number;
  readonly after: Place | null;
}

/** A position in the order of retention, by `requestedAt`: right after this image. */
export interface Place {
  readonly requestedAt: string;
  readonly mediaId: string;
}

/**
 * What a change of an image means for the rest of the store, by the rules of the core. Called for a write, which stores the result in its
 * transaction, with the image before (null: it is new) and after (null: it is removed). Each call may make a new delivery id, so store one
 * result per committed write; apart from that id it is a pure function. Called with the same image twice, it describes that image and
 * causes no delivery.
 */
export type Derive = (before: Image | null, after: Image | null) => Derived;

/** What is written together with an image. The store keeps these values as they are and has no rule of its own for them. */
export interface Derived {
  /** Ledger entries as differences to add, at most one per day, owner and model. */
  readonly ledger: readonly Spending[];
  /** Whether the entries spend or reserve more than they free, so that the `SpendingGuard` has to be called. */
  readonly spendsMore: boolean;
  /** The webhook delivery that the change causes, or null. */
  readonly delivery: NewDelivery | null;
  /**
   * The file names that belong to the image after the change; after a removal, all that its deletion has to remove.
   * `mediaIdOf` returns the image's mediaId for each.
   */
  readonly ownedNames: readonly string[];
  /**
   * The names of files that other images may have too: its inputs. After a removal, those that it had. `mediaIdOf` returns null for each.
   * They follow from `Image.request`.
   */
  readonly sharedNames: readonly string[];
  /** Whether the change gives the queue a job: a new image, a new run, or a repair. A queue in the same database gets it with the write. */
  readonly startsJob: boolean;
  /** Milliseconds since 1970; `never` keeps the image from every cleanup, null leaves its expiry to its age. */
  readonly expiresAt: number | 'never' | null;
}

/** A delivery for the outbox, with the host and port of its URL. */
export interface NewDelivery {
  readonly delivery: Delivery;
  readonly receiver: string;
}

/** The report of the last cleanup, and when it ended (ISO 8601, UTC). */
export interface LastCleanup extends CleanupReport {
  readonly time: string;
}

/** What a cleanup did, or would do in a dry run. */
export interface CleanupReport extends MissingFiles, PassedOver {
  /** Number of images. */
  readonly deleted: number;
  readonly freedBytes: number;
  /** The mediaIds of those that a dry run would remove, in the order in which they would go; at most 100. Absent otherwise. */
  readonly mediaIds?: readonly string[];
  /** Number of images that remain. */
  readonly kept: number;
  /** Number of files without a record. */
  readonly orphansRemoved: number;
  /** Number of files whose names Easel cannot have given. They are left alone. */
  readonly foreignFiles: number;
  readonly dryRun: boolean;
  readonly durationMs: number;
}

/** What a cleanup could not deal with. It did the rest. */
export interface PassedOver {
  /** Number of files and images. */
  readonly failures: number;
  /** File names and mediaIds; at most 100. */
  readonly failuresOf: readonly string[];
}

/** Succeeded images of which a published file is missing or damaged. */
export interface MissingFiles {
  /** Number of images. */
  readonly missingFiles: number;
  /** Their mediaIds, newest first; at most 100. */
  readonly missingFilesOf: readonly string[];
}
