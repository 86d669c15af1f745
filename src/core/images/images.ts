import type { Delivery } from '../domain/delivery.ts';
import { ImageError } from '../domain/errors.ts';
import type { Image } from '../domain/image.ts';
import { type Caller, type CreateImage, type ImagePatch, mayChange, maySee, ownerSeenBy } from '../domain/request.ts';
import type { OfferedModel } from '../models/model-list.ts';
import type { UsagePeriod, UsageReport } from '../money/usage.ts';
import type { OperationsReport, ReportOperations } from '../operations/operations.ts';
import { currentPresets, type Preset, type Presets } from '../planning/presets.ts';
import type { CleanupReport, LabelCount, LastCleanup, ListQuery, Page, RecordStore } from '../ports/record-store.ts';
import type { DeliveryPage, DeliveryQuery } from '../ports/webhooks.ts';
import type { Cleanup, CleanupOptions } from '../retention/cleanup.ts';
import type { Deletions } from '../retention/deletions.ts';
import type { Submission, SubmitOptions } from './admission.ts';
import type { Deliveries } from './deliveries.ts';
import type { OpenFeed, OpenFeedOf } from './feed.ts';
import type { Follow, ImageEvent } from './follow.ts';
import type { PatchImage, Precondition } from './patch.ts';
import type { Preview, PreviewImage } from './preview.ts';
import type { Provenance, ReadProvenance } from './provenance.ts';
import type { RetryImage } from './rerun.ts';
import type { EstimateRetry, RetryCost } from './retry-cost.ts';
import type { Submit } from './submit.ts';
import type { WaitUntilFinished } from './wait.ts';

/** The most labels that `labels` gives. */
export const MAX_LABELS = 1_000;

/** Which images `list` gives, newest first. */
export type ImageFilter = Omit<ListQuery, 'owner'>;

/** Which deliveries `listDeliveries` gives, newest first. */
export type DeliveryFilter = Omit<DeliveryQuery, 'owner'>;

/**
 * Facade of the use cases for the HTTP and command-line interfaces. Every method raises `ImageError`. Those that take a mediaId
 * and a caller raise `not_found` for an image that does not exist, for one that the caller may not see, and, where they change the
 * image, for one that the caller may only see.
 */
export interface Images {
  /**
   * Accepts the request durably, or finds the image of an equal request: joins its run, returns it as it ended, or runs it again
   * where `canRunAgain` holds.
   */
  submit(
    request: CreateImage,
    caller: Caller,
    idempotencyKey: string | null,
    options?: SubmitOptions,
  ): Promise<Submission>;
  /**
   * Runs a failed or cancelled image again although that may cost again: from its original where that is sound, which costs nothing,
   * else with calls of which `1 + ambiguousRetries` may have an unknown outcome. Raises `not_retryable` for any other image, and what
   * `submit` raises for a new one.
   */
  retry(mediaId: string, caller: Caller, options?: SubmitOptions): Promise<Submission>;
  /**
   * What `retry` would cost now, without calling a provider or writing anything. Raises `not_retryable` where `retry` would, and its
   * errors but those for lack of room, budget or a working provider. Takes a caller who may see the image.
   */
  retryCost(mediaId: string, caller: Caller): Promise<RetryCost>;
  /** What `submit` would do with a new image, without calling a provider or writing anything. */
  preview(request: CreateImage, caller: Caller): Promise<Preview>;
  /**
   * Resolves when the image is finished, when `timeoutMs` has passed, when `signal` fires or when the service begins to stop:
   * with the image that has the mediaId then, or null when none has. Checks no caller: see `isSameImage`.
   */
  waitUntilFinished(mediaId: string, timeoutMs: number, signal: AbortSignal): Promise<Image | null>;
  get(mediaId: string, caller: Caller): Promise<Image>;
  /** The images that the caller may see. */
  list(filter: ImageFilter, caller: Caller): Promise<Page>;
  /** The labels of the images that the caller may see, the most used first: at most `MAX_LABELS`. */
  labels(caller: Caller): Promise<readonly LabelCount[]>;
  /** The events of an image from now on, see `createFollow`; null where `lastEventId` is the image's final event. */
  follow(
    mediaId: string,
    caller: Caller,
    lastEventId: string | null,
    signal: AbortSignal,
  ): Promise<AsyncIterable<ImageEvent> | null>;
  /** The events of all images that the caller may see, see `OpenFeedOf`. */
  followAll(caller: Caller, lastEventId: string | null, signal: AbortSignal): OpenFeed;
  /**
   * Ends an image that is not finished. Resolves with the record once the running call has ended too, or after a few seconds.
   * A finished image stays as it is.
   */
  cancel(mediaId: string, caller: Caller): Promise<Image>;
  /**
   * Changes what does not make another picture, in any status; the ttl then counts from now. Resolves with the record. Raises what
   * `precondition` raises of the image as it stands when it is changed.
   */
  patch(mediaId: string, patch: ImagePatch, caller: Caller, precondition?: Precondition): Promise<Image>;
  /** Where the image comes from, and whether its files and their signatures verify. */
  provenance(mediaId: string, caller: Caller): Promise<Provenance>;
  /** The webhook deliveries about an image, newest first. */
  deliveries(mediaId: string, caller: Caller): Promise<readonly Delivery[]>;
  /** Sends a webhook again, whatever the status of its delivery; `not_found` also for a delivery about another image. */
  redeliver(mediaId: string, deliveryId: string, caller: Caller): Promise<Delivery>;
  /** The deliveries about all images that the caller may see, newest first. */
  listDeliveries(filter: DeliveryFilter, caller: Caller): Promise<DeliveryPage>;
  /** The models that the configured providers offer, and whether each can be called now. */
  models(): readonly OfferedModel[];
  /** The current version of every preset. */
  presets(): readonly Preset[];
  /** Removes the record and every file; a running image is cancelled first. */
  remove(mediaId: string, caller: Caller): Promise<void>;
  /** Runs a cleanup. Cleanups are serialized. */
  cleanup(options: CleanupOptions): Promise<CleanupReport>;
  /** `not_found` before the first cleanup. */
  lastCleanup(): Promise<LastCleanup>;
  /**
   * Spending by day, and the state of the budget: of the caller's name, of all for a caller who sees all. Raises `invalid_request` for a
   * period that no report has.
   */
  usage(period: UsagePeriod, caller: Caller): Promise<UsageReport>;
  /** How the service stands, of all processes over the records. */
  operations(): Promise<OperationsReport>;
}

/** The use cases that the facade puts together. Those about one image leave it to the facade to check the caller. */
interface UseCases {
  readonly records: Pick<RecordStore, 'get' | 'list' | 'labels' | 'lastCleanup'>;
  readonly submit: Submit;
  readonly retry: RetryImage;
  readonly estimateRetry: EstimateRetry;
  readonly preview: PreviewImage;
  readonly patch: PatchImage;
  readonly waitUntilFinished: WaitUntilFinished;
  readonly follow: Follow;
  readonly openFeed: OpenFeedOf;
  readonly readProvenance: ReadProvenance;
  readonly deliveries: Deliveries;
  readonly deletions: Pick<Deletions, 'cancel' | 'remove'>;
  readonly cleanup: Cleanup;
  readonly models: () => readonly OfferedModel[];
  readonly usage: (period: UsagePeriod, caller: Caller) => Promise<UsageReport>;
  readonly operations: ReportOperations;
  readonly presets: Presets;
}

export function createImages(useCases: UseCases): Images {
  const { records, deliveries, deletions } = useCases;

  /** The image, if the caller may see it. */
  async function find(mediaId: string, caller: Caller): Promise<Image> {
    const image = await records.get(mediaId);
    if (image === null || !maySee(caller, image.owner))
      throw new ImageError('not_found', `there is no image ${mediaId}`);
    return image;
  }

  /** The image, if the caller may change it. */
  async function findToChange(mediaId: string, caller: Caller): Promise<Image> {
    const image = await find(mediaId, caller);
    if (mayChange(caller, image.owner)) return image;
    throw new ImageError(
      'not_found',
      `there is no image ${mediaId} that this key may change: changing another key's image takes the scope admin`,
    );
  }

  return {
    submit: useCases.submit,
    preview: useCases.preview,
    waitUntilFinished: useCases.waitUntilFinished,
    get: find,
    list: (filter, caller) => records.list({ ...filter, owner: ownerSeenBy(caller) }),
    labels: (caller) => records.labels(ownerSeenBy(caller), MAX_LABELS),
    followAll: useCases.openFeed,
    cleanup: useCases.cleanup,
    models: useCases.models,
    usage: useCases.usage,
    operations: useCases.operations,
    listDeliveries: (filter, caller) => deliveries.page({ ...filter, owner: ownerSeenBy(caller) }),
    presets: () => currentPresets(useCases.presets),

    async retry(mediaId, caller, options) {
      return await useCases.retry(await findToChange(mediaId, caller), options);
    },

    async retryCost(mediaId, caller) {
      return await useCases.estimateRetry(await find(mediaId, caller));
    },

    async follow(mediaId, caller, lastEventId, signal) {
      return useCases.follow(await find(mediaId, caller), lastEventId, signal);
    },

    async provenance(mediaId, caller) {
      return await useCases.readProvenance(await find(mediaId, caller));
    },

    async deliveries(mediaId, caller) {
      await find(mediaId, caller);
      return await deliveries.list(mediaId);
    },

    async redeliver(mediaId, deliveryId, caller) {
      await findToChange(mediaId, caller);
      return await deliveries.redeliver(mediaId, deliveryId);
    },

    async cancel(mediaId, caller) {
      const image = await deletions.cancel(await findToChange(mediaId, caller));
      if (image === null) throw new ImageError('not_found', `image ${mediaId} was deleted meanwhile`);
      return image;
    },

    async patch(mediaId, patch, caller, precondition) {
      return await useCases.patch(await findToChange(mediaId, caller), patch, precondition);
    },

    async remove(mediaId, caller) {
      await deletions.remove(await findToChange(mediaId, caller));
    },

    async lastCleanup() {
      const last = await records.lastCleanup();
      if (last === null) throw new ImageError('not_found', 'no cleanup has run yet');
      return last;
    },
  };
}
