/** What the use cases need from the world. Adapters implement these; `services.ts` chooses which. */

import type { Readable } from 'node:stream';
import type {
  Background,
  Check,
  CheckPolicy,
  Cost,
  CropStrategy,
  Image,
  ImageStatus,
  MasterFormat,
  Quality,
  RenditionFormat,
  RenditionSpec,
  Size,
  Warning,
} from './image.ts';
import type { CleanupReport } from './retention.ts';

/** Time, so that tests can hold it still. */
export interface Clock {
  /** Milliseconds since 1970, UTC. */
  now(): number;
  /** Resolves after `ms` milliseconds, or rejects with the signal's reason when it is aborted first. */
  sleep(ms: number, signal?: AbortSignal): Promise<void>;
}

// ---------------------------------------------------------------- models

/**
 * The sizes a model takes, in pixels: one of a list, or any that keeps a rule.
 * `ratio` bounds the longer side over the shorter one.
 */
export type SizeRule =
  | { readonly kind: 'list'; readonly sizes: readonly Size[] }
  | {
      readonly kind: 'range';
      readonly step: number;
      readonly minSide: number;
      readonly maxSide: number;
      readonly minPixels: number;
      readonly maxPixels: number;
      readonly maxRatio: number;
    };

/** A row of the catalog. Null means that the model takes no such parameter. */
export interface Model {
  readonly id: string;
  /** The name that was asked for, where an alias led to this row; null where its own name did. */
  readonly alias: string | null;
  readonly sizes: SizeRule;
  readonly qualities: readonly Quality[] | null;
  readonly styles: readonly string[] | null;
  readonly backgrounds: readonly Background[] | null;
  readonly formats: readonly MasterFormat[] | null;
  /** Longest prompt in characters (Unicode code points). */
  readonly promptLimit: number;
  /** Most pictures that one call can bring (`n`). */
  readonly maxPictures: number;
  /** Most partial pictures that it streams; 0 where it does not stream. */
  readonly partialImages: number;
  /** What an edit may bring along; null where it cannot edit. */
  readonly edits: EditLimits | null;
  /** First day (YYYY-MM-DD, UTC) on which the provider no longer serves it; null where none is known. */
  readonly shutdownDate: string | null;
  readonly successor: string | null;
  readonly pricing: Pricing | null;
}

export interface EditLimits {
  /** Most pictures to start from. */
  readonly images: number;
  /** Most bytes of each of them, and of the mask (a PNG with alpha, of the first picture's size). */
  readonly imageBytes: number;
  readonly maskBytes: number;
}

export type Pricing = TokenPricing | PicturePricing;

/** Where prices come from, and the day (YYYY-MM-DD) on which they stood there. */
interface PriceSource {
  readonly date: string;
  readonly source: string;
}

/** US dollars per million tokens, and the output tokens of a picture of 1,572,864 pixels (1536x1024) per quality. */
export interface TokenPricing extends PriceSource {
  readonly kind: 'tokens';
  readonly textInput: number;
  /** Null where no price of its own is known: then it counts as text that is not cached. */
  readonly cachedTextInput: number | null;
  readonly imageInput: number;
  readonly imageOutput: number;
  readonly outputTokens: Partial<Record<Quality, number>>;
}

/** US dollars per picture, whatever its size and quality. */
export interface PicturePricing extends PriceSource {
  readonly kind: 'picture';
  readonly usd: number;
}

// ------------------------------------------------------------- providers

/** One call, in terms that the model is known to take: null parameters are not sent. */
export interface GenerationCall {
  readonly model: Model;
  readonly prompt: string;
  readonly size: Size;
  readonly quality: Quality | null;
  readonly style: string | null;
  readonly background: Background | null;
  readonly format: MasterFormat | null;
}

export interface TokenUsage {
  readonly textInput: number;
  readonly cachedTextInput: number;
  readonly imageInput: number;
  readonly output: number;
}

export interface GeneratedPicture {
  readonly bytes: Uint8Array;
  readonly revisedPrompt: string | null;
  readonly usage: TokenUsage | null;
  readonly httpStatus: number | null;
  readonly providerRequestId: string | null;
  /** For how long, in milliseconds, the provider's rate limit leaves no room for another call; null where it does. */
  readonly restMs: number | null;
}

export interface GenerationOptions {
  readonly signal: AbortSignal;
  /** Called with each partial picture, where the model streams; its presence asks for streaming. */
  readonly onPartial?: ((bytes: Uint8Array, index: number) => void) | undefined;
}

export interface Provider {
  readonly name: string;
  /** False for a server that chooses the size of the picture itself, so that none is sent. */
  readonly takesSize: boolean;
  /** Texts inside a prompt that the server would take for commands; they are taken out of what users write. */
  readonly commands: readonly string[];
  /** The row for a model id, or null where this provider cannot be asked for it. */
  model(id: string): Model | null;
  /** Makes one call. Raises `ProviderError` only. */
  generate(call: GenerationCall, options: GenerationOptions): Promise<GeneratedPicture>;
  /** The shutdown dates (YYYY-MM-DD) that the provider itself announces, by model id; left out where it has no such list. */
  shutdownDates?(signal: AbortSignal): Promise<ReadonlyMap<string, string>>;
}

// --------------------------------------------------------------- imaging

/** What a picture has to become. */
export interface FinishOrder {
  /** The size that the provider was asked for; another one is warned of. */
  readonly requested: Size;
  readonly master: Size & { readonly format: MasterFormat };
  /** How the original, and the master for a rendition, is brought to another shape. */
  readonly crop: CropStrategy;
  /** Where it is to be otherwise than configured. */
  readonly checks?: Partial<CheckPolicy>;
  /** What is made together with the master … */
  readonly renditions: readonly RenditionSpec[];
  /** … and what `finishDeferred` makes. */
  readonly deferred: readonly RenditionSpec[];
  /** Written into every file that is encoded here, as XMP. */
  readonly provenance: {
    readonly mediaId: string;
    readonly provider: string;
    readonly model: string;
    /** ISO 8601, UTC. */
    readonly createdAt: string;
    readonly originalSha256: string;
    /** Null unless prompts are to be written in. */
    readonly prompt: string | null;
  };
}

export interface FinishedFile extends Size {
  readonly format: RenditionFormat;
  /** The encoded file; null for a master that is the original itself, byte for byte. */
  readonly bytes: Uint8Array | null;
}

export interface FinishedPicture {
  readonly master: FinishedFile;
  /** In the order of the order. */
  readonly renditions: readonly FinishedFile[];
  readonly checks: readonly Check[];
  /** Base64. */
  readonly thumbhash: string;
  /** `#rrggbb`. */
  readonly dominantColour: string;
  /** Of everything in the order, deferred renditions included. */
  readonly warnings: readonly Warning[];
}

export interface Imaging {
  /**
   * Decodes the original once, checks it, and makes the master at exactly the size asked for and every rendition that
   * is not deferred. Raises `ImageError` with `invalid_image` (and the checks) for bytes that are no sound picture.
   */
  finish(original: Uint8Array, order: FinishOrder): Promise<FinishedPicture>;
  /**
   * Makes the deferred renditions of an original that passed `finish`, and hands each to `made` before it makes the
   * next. Gives the warnings that `finish` could not know of. Keeps no call of `finish` waiting; how many run at a time is for the caller to say. Decodes anew, which is a tenth of what one avif takes: pixels that
   * wait for their turn would be megabytes a picture.
   */
  finishDeferred(
    original: Uint8Array,
    order: FinishOrder,
    made: (file: FinishedFile) => Promise<void>,
  ): Promise<readonly Warning[]>;
}

/** What a file's XMP says of its origin. Null where it says nothing. */
export interface EmbeddedMetadata {
  /** An IPTC NewsCode. */
  readonly digitalSourceType: string | null;
  readonly model: string | null;
  readonly provider: string | null;
  readonly createdAt: string | null;
  readonly mediaId: string | null;
  readonly originalSha256: string | null;
  readonly prompt: string | null;
}

export interface Finding {
  /** A C2PA status code, such as `assertion.dataHash.mismatch`. */
  readonly code: string;
  readonly detail: string | null;
}

/** A file's C2PA manifest, and what checking it brought. */
export interface ContentCredentials {
  /**
   * `valid`: the signature, every assertion and the file's content fit together. `invalid`: something does not, or cannot
   * be read. `unverified`: nothing is known to be wrong, but not all of it could be checked.
   */
  readonly verdict: 'valid' | 'invalid' | 'unverified';
  /** The verdict in a sentence. */
  readonly detail: string;
  /** What speaks against it. */
  readonly failures: readonly Finding[];
  /** Whom the certificate names. No list of trusted signers is consulted. */
  readonly signer: { readonly name: string; readonly issuer: string; readonly validUntil: string } | null;
  /** ISO 8601, UTC, by a time stamp that verified; null without one. */
  readonly signedAt: string | null;
  /** The software that wrote the claim. */
  readonly generator: string | null;
  readonly digitalSourceType: string | null;
  /** What the file was made from, with whether its manifest came along. */
  readonly ingredients: readonly { readonly title: string | null; readonly hasManifest: boolean }[];
}

/** What a file says about where it comes from. */
export interface EmbeddedProvenance {
  readonly xmp: EmbeddedMetadata | null;
  readonly c2pa: ContentCredentials | null;
}

export interface ProvenanceReader {
  /** Reads any bytes whatever: what cannot be read counts as not there, or as an invalid manifest. */
  read(bytes: Uint8Array): Promise<EmbeddedProvenance>;
}

// --------------------------------------------------------------- storage

export interface StoredFile {
  readonly name: string;
  readonly bytes: number;
  /** Milliseconds since 1970. */
  readonly modifiedAt: number;
}

/** A file to publish: new bytes, or the bytes of a file that is already stored (an original). */
export type FileSource =
  | { readonly name: string; readonly bytes: Uint8Array }
  | { readonly name: string; readonly from: string };

/** Byte offsets into a file, both inclusive, as `Range` counts them: 0 to 99 are the first hundred bytes. */
export interface ByteRange {
  readonly start: number;
  readonly end: number;
}

/**
 * One version of a stored file, open for reading. It stays whole while it is open: a file that is replaced or removed
 * meanwhile is still read to its end as it was, and the next `open` finds the new one, or none. A store that cannot keep
 * that promise breaks the stream off with an error; it never mixes the bytes of two versions.
 *
 * The opener calls `close` in every case, also after the stream has ended or failed.
 */
export interface OpenFile {
  /** Size of the whole file, whatever range was asked for. */
  readonly bytes: number;
  /**
   * The content of the range, or of the whole file. Call it once at most; what is not asked for is not read. It ends at
   * the end of the file where the range goes on beyond it, and fails with `ImageError` `storage_unavailable`.
   */
  stream(): Readable;
  /**
   * Fast path of a store on a local disk: a descriptor of the whole file, to be read at positions (`pread`) until `close`.
   * Left out where files are elsewhere.
   */
  readonly fd?: number;
  /** Releases the file and breaks off a stream that has not ended. Never rejects; further calls do nothing. */
  close(): Promise<void>;
}

/**
 * Keeps files by name. Whatever a method has resolved for is durable: it survives a power cut.
 * Raises `ImageError` with `storage_full` when there is no room and `storage_unavailable` for any other fault.
 */
export interface MediaStore {
  /** Stores one file whole or not at all. */
  put(name: string, bytes: Uint8Array): Promise<void>;
  /** Makes every file durable under a temporary name, and only then gives all of them their names. Replaces. */
  publish(files: readonly FileSource[]): Promise<void>;
  /** The whole file, or null where there is none. */
  read(name: string): Promise<Uint8Array | null>;
  /** The file as it now is, to be read whole or in part; null where there is none. The caller closes it. */
  open(name: string, range?: ByteRange): Promise<OpenFile | null>;
  /** Removes what is there; a missing file is no error. */
  remove(names: readonly string[]): Promise<void>;
  /** Every stored file, originals included, temporary ones not. */
  list(): AsyncIterable<StoredFile>;
  /** Removes what writes of an earlier process left half done. Call before the first write. */
  removeTemporary(): Promise<void>;
  /** Room that is left, in bytes; null where there is no telling. */
  freeBytes(): Promise<number | null>;
  /** Writes, syncs and removes a small file; room for `needBytes` is looked for first. */
  check(needBytes: number): Promise<void>;
}

// --------------------------------------------------------------- records

export type Acceptance =
  | { readonly outcome: 'accepted' }
  /** The mediaId, or the owner's idempotency key, is in use by this image; nothing was written. */
  | { readonly outcome: 'exists'; readonly by: 'mediaId' | 'idempotencyKey'; readonly image: Image }
  | { readonly outcome: 'queue_full' };

/** A ledger entry: what one API key spent on one model on one day. */
export interface Spending {
  /** YYYY-MM-DD (UTC), when the calls began; null for what is held back for calls that are to come or under way. */
  readonly day: string | null;
  readonly owner: string;
  readonly model: string;
  /** Pictures that came. */
  readonly images: number;
  /** Millionths of a US dollar, whole, so that sums stay exact. */
  readonly microUsd: number;
  /** Calls whose cost is not known; they are not in `microUsd`. */
  readonly unpriced: number;
}

/** Millionths of a US dollar. */
export interface Balance {
  /** On the day in question. */
  readonly spent: number;
  /** Held back now, whatever the day. */
  readonly reserved: number;
}

/** Can veto a write that increases spending or reservations. Runs inside the transaction; throwing rolls it back. */
export interface SpendingGuard {
  /** YYYY-MM-DD (UTC): the day whose spending counts. */
  readonly day: string;
  /** Called with the balances as the write leaves them. What it raises undoes the write. */
  check(owner: string, balances: { readonly service: Balance; readonly owner: Balance }): void;
}

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
  acceptAgain(
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

// -------------------------------------------------------------- webhooks

export type WebhookEvent = 'image.succeeded' | 'image.failed' | 'image.cancelled';

/** `pending` is tried until a day is over, then `failed`; `disabled`: the receiver said 410. */
export type DeliveryStatus = 'pending' | 'delivered' | 'failed' | 'disabled';

export interface DeliveryAttempt {
  /** When it began: ISO 8601, UTC. */
  readonly at: string;
  readonly durationMs: number;
  readonly httpStatus: number | null;
  /** Why it did not deliver; null where it did. */
  readonly error: string | null;
}

/** One end of one image that somebody is told of. */
export interface Delivery {
  /** The `webhook-id`, the same for every try. */
  readonly id: string;
  readonly mediaId: string;
  readonly type: WebhookEvent;
  readonly url: string;
  readonly status: DeliveryStatus;
  /** The latest, oldest first. */
  readonly attempts: readonly DeliveryAttempt[];
  /** When it is due: ISO 8601, UTC; null unless pending. */
  readonly nextAttemptAt: string | null;
  /** The tries since it was first, or was again, ordered to be sent; a day is counted from the first of them. */
  readonly series: { readonly number: number; readonly tries: number; readonly firstAt: string | null };
}

export interface DueDelivery {
  readonly delivery: Delivery;
  /** As it was when it ended. */
  readonly image: Image;
  /** Host and port. */
  readonly receiver: string;
  /** Milliseconds since 1970. */
  readonly dueAt: number;
}

/**
 * Transactional outbox of webhook deliveries: rows are written with the image change that causes them.
 * Raises `ImageError` like the `RecordStore` that it belongs to.
 */
export interface Outbox {
  /** The pending delivery that is due first, whether its time has come or not, but for these deliveries and receivers. */
  next(except: { readonly ids: readonly string[]; readonly receivers: readonly string[] }): Promise<DueDelivery | null>;
  /** Changes one delivery in one transaction, and gives what is then stored; null where it is gone with its image. */
  update(id: string, change: (delivery: Delivery) => Delivery): Promise<Delivery | null>;
  /** The latest deliveries about an image, newest first. */
  list(mediaId: string): Promise<readonly Delivery[]>;
  /** Calls back whenever a delivery may have become due other than by time. There is one such listener. */
  onNew(listener: () => void): void;
}

export interface WebhookAnswer {
  /** Null where there was no answer. */
  readonly httpStatus: number | null;
  /** Why it is no delivery; null for 2xx. Fit for the caller. */
  readonly error: string | null;
  /** The address is not one to be reached: nothing was sent. */
  readonly refused: boolean;
}

export interface WebhookSender {
  /** Signs and sends one message. Raises the signal's reason when that fires, and nothing else. */
  send(
    message: { readonly id: string; readonly url: string; readonly body: string },
    signal: AbortSignal,
  ): Promise<WebhookAnswer>;
}

// ------------------------------------------------------------- the queue

/** Why a running job is to end before its work is done. */
export interface JobSignals {
  /** The process is to end: what is under way may end, but no further call begins. Always fires before `stopping`. */
  readonly draining: AbortSignal;
  /** Its caller no longer wants the picture. */
  readonly cancelled: AbortSignal;
  /** The process ends; what is not finished is left as it is for the next start. */
  readonly stopping: AbortSignal;
}

/** Runs one job to its end. Never rejects: how it ended is in the record. */
export type RunJob = (mediaId: string, signals: JobSignals) => Promise<void>;

/** How full a queue is. */
export interface QueueDepth {
  readonly waiting: number;
  readonly running: number;
}

export interface JobQueue {
  /**
   * Has the job run when its turn comes, once at a time: a job that waits already stays one job, one that runs is run once
   * more when it has ended. Call after the record is durable, and await it.
   *
   * Never rejects, so that the answer for a durable record cannot be lost. A queue that cannot take the job at the moment
   * logs that and goes on trying; should the process end first, the next start enqueues every unfinished record.
   */
  enqueue(mediaId: string): Promise<void>;
  /** Fires `cancelled` for the job if it runs; resolves when it runs no more. A job that waits goes on waiting. */
  cancel(mediaId: string): Promise<void>;
  /** Jobs that wait and jobs that run, as of some moment of the call. */
  depth(): Promise<QueueDepth>;
  /** Starts no further job, and fires `draining` for running ones. They may end until `deadline` fires, then `stopping` fires for them; resolves when none runs. */
  stop(deadline: AbortSignal): Promise<void>;
}

// ------------------------------------------------------------- telemetry

export type Stage = 'generate' | 'store' | 'finish' | 'publish' | 'deferred';

/** Counts what happens. Never raises. */
export interface Telemetry {
  imageEnded(image: Image): void;
  providerCall(provider: string, outcome: string): void;
  providerRetry(provider: string): void;
  /** The provider refused the account: its key, quota, billing or verification. */
  accountFault(provider: string): void;
  stage(stage: Stage, seconds: number): void;
  spent(provider: string, model: string, cost: Cost): void;
  /** A try to deliver a webhook has ended: what the delivery has become, or that it is tried again. */
  webhookTried(outcome: WebhookOutcome): void;
}

export type WebhookOutcome = Exclude<DeliveryStatus, 'pending'> | 'retried';

// --------------------------------------------------------------- tracing

/** By the names of OpenTelemetry's semantic conventions, or `easel.…` where they have none. What is null is left out. */
export type SpanAttributes = Readonly<Record<string, string | number | boolean | null>>;

export interface SpanDescription {
  readonly name: string;
  /** Absent: work that stays inside the service. */
  readonly kind?: 'server' | 'client' | 'consumer';
  readonly attributes?: SpanAttributes;
  /** The `traceparent` to go on from; null for a trace of its own. Absent: the span around it. */
  readonly parent?: string | null;
}

/** Tells how long which part of the work took, and what led to it. Never raises by itself. */
export interface Tracer {
  /**
   * Does `work`, begun at once, inside a span that ends with it: in error where it rejects. Whatever `work` calls is
   * inside the span too, however late.
   */
  span<T>(description: SpanDescription, work: () => Promise<T>): Promise<T>;
  /** Adds what has become known to the span around. */
  annotate(attributes: SpanAttributes): void;
  /** Has the span around end in error although its work does not reject. */
  fail(error: unknown): void;
  /** The span around as a W3C `traceparent`, to be sent or kept; null outside of any. https://www.w3.org/TR/trace-context/ */
  traceparent(): string | null;
}

/** For when nobody collects traces. */
export const NO_TRACING: Tracer = {
  span: (_description, work) => work(),
  annotate() {},
  fail() {},
  traceparent: () => null,
};
