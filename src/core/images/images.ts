import PQueue from 'p-queue';
import type { Delivery } from '../domain/delivery.ts';
import { ImageError } from '../domain/errors.ts';
import { type Image, type ImageStatus, isFinished } from '../domain/image.ts';
import type { MediaUrls } from '../domain/record.ts';
import type { Caller, CreateImage } from '../domain/request.ts';
import { reportUsage, type UsageReport } from '../money/usage.ts';
import { currentPresets, type Preset } from '../planning/presets.ts';
import type { CleanupReport, LastCleanup, Page } from '../ports/record-store.ts';
import { type CleanupOptions, type CleanupSpec, cleanUp } from '../retention/cleanup.ts';
import type { RetentionDeps } from '../retention/orphans.ts';
import { markForRedelivery } from '../webhooks/delivery.ts';
import type { Submission, SubmitDeps, SubmitOptions } from './admission.ts';
import { followImage, hasSeenEnd, type ImageEvent } from './follow.ts';
import { type Preview, previewImage } from './preview.ts';
import { type Provenance, type ProvenanceDeps, readProvenance } from './provenance.ts';
import { submitImage } from './submit.ts';

export interface ImageFilter {
  readonly limit: number;
  readonly status?: ImageStatus | undefined;
  readonly label?: string | undefined;
  /** ISO 8601 bounds on createdAt: from (inclusive) and to (exclusive). */
  readonly createdAfter?: string | undefined;
  readonly createdBefore?: string | undefined;
  readonly cursor?: string | undefined;
}

/** The use cases, as the doors (HTTP, command line) see them. Every method raises `ImageError`. */
export interface Images {
  /** Accepts the request durably, or finds the image that an equal request made or is making. */
  submit(
    request: CreateImage,
    caller: Caller,
    idempotencyKey: string | null,
    options?: SubmitOptions,
  ): Promise<Submission>;
  /** What `submit` would do with a new image, without calling a provider or writing anything. */
  preview(request: CreateImage, caller: Caller): Preview;
  /**
   * Resolves when the image is finished, when `timeoutMs` has passed, when `signal` fires or when the service begins to stop:
   * with the image as it then stands, or null when it was deleted meanwhile.
   */
  waitUntilFinished(mediaId: string, timeoutMs: number, signal: AbortSignal): Promise<Image | null>;
  /** `not_found` also for another caller's image. */
  get(mediaId: string, caller: Caller): Promise<Image>;
  list(filter: ImageFilter, caller: Caller): Promise<Page>;
  /**
   * What becomes of the image from now on, see `followImage`; null where `lastEventId` says that the caller knows its end.
   * `not_found` also for another caller's image.
   */
  follow(
    mediaId: string,
    caller: Caller,
    lastEventId: string | null,
    signal: AbortSignal,
  ): Promise<AsyncIterable<ImageEvent> | null>;
  /**
   * Ends an image that is not finished, and gives the record as it then stands, once the call under way has ended too or has
   * had a few seconds for it. A finished image stays as it is.
   */
  cancel(mediaId: string, caller: Caller): Promise<Image>;
  /** Where the image comes from, and what verified; `not_found` also for another caller's image. */
  provenance(mediaId: string, caller: Caller): Promise<Provenance>;
  /** The webhooks about an image, newest first; `not_found` also for another caller's image. */
  deliveries(mediaId: string, caller: Caller): Promise<readonly Delivery[]>;
  /** Has a webhook sent again, whatever has become of it; `not_found` also for one about another image. */
  redeliver(mediaId: string, deliveryId: string, caller: Caller): Promise<Delivery>;
  /** The presets there are to choose from. */
  presets(): readonly Preset[];
  /** Removes the record and every file; a running image is cancelled first. */
  remove(mediaId: string, caller: Caller): Promise<void>;
  /** A cleanup at a time: one that is asked for while another runs waits for its turn. */
  cleanup(options: CleanupOptions): Promise<CleanupReport>;
  /** `not_found` before the first cleanup. */
  lastCleanup(): Promise<LastCleanup>;
  /** What was spent in the last `days` days (UTC), today included, and how the budget stands: of the caller's key, of all for an admin. */
  usage(days: number, caller: Caller): Promise<UsageReport>;
}

export interface ImagesDeps extends SubmitDeps, RetentionDeps, ProvenanceDeps {
  /** Where pictures are, for those who may fetch them. */
  readonly urls: MediaUrls;
  /** What a cleanup does where its order says nothing. */
  readonly retention: Pick<CleanupSpec, 'olderThanMs' | 'maxBytes'>;
}

export function createImages(deps: ImagesDeps): Images {
  const { records, events, clock, stopping } = deps;
  const cleanups = new PQueue({ concurrency: 1 });

  async function find(mediaId: string, caller: Caller): Promise<Image> {
    const image = await records.get(mediaId);
    if (image === null || !(caller.admin || image.owner === caller.name))
      throw new ImageError('not_found', `there is no image ${mediaId}`);
    return image;
  }

  return {
    submit: (request, caller, idempotencyKey, options) => submitImage(deps, request, caller, idempotencyKey, options),
    preview: (request, caller) => previewImage(deps, request, caller),
    get: find,
    list: (filter, caller) => records.list({ ...filter, owner: caller.admin ? null : caller.name }),
    provenance: async (mediaId, caller) => readProvenance(deps, await find(mediaId, caller)),
    presets: () => currentPresets(deps.presets),

    async deliveries(mediaId, caller) {
      await find(mediaId, caller);
      return await records.outbox.list(mediaId);
    },

    async redeliver(mediaId, deliveryId, caller) {
      await find(mediaId, caller);
      const deliveries = await records.outbox.list(mediaId);
      const known = deliveries.some(({ id }) => id === deliveryId);
      const updated = known && (await records.outbox.update(deliveryId, (one) => markForRedelivery(one, clock.now())));
      if (!updated) throw new ImageError('not_found', `there is no delivery ${deliveryId} about ${mediaId}`);
      return updated;
    },

    async follow(mediaId, caller, lastEventId, signal) {
      const image = await find(mediaId, caller);
      return hasSeenEnd(image, lastEventId) ? null : followImage(deps, mediaId, lastEventId, signal);
    },

    async cancel(mediaId, caller) {
      await find(mediaId, caller);
      return (await deps.deletions.cancel(mediaId)) ?? (await find(mediaId, caller));
    },

    async remove(mediaId, caller) {
      await find(mediaId, caller);
      await deps.deletions.remove(mediaId);
    },

    cleanup(options) {
      const spec: CleanupSpec = {
        olderThanMs: options.olderThanMs ?? deps.retention.olderThanMs,
        maxBytes: options.maxBytes ?? deps.retention.maxBytes,
        status: options.status ?? null,
        dryRun: options.dryRun ?? false,
      };
      return cleanups.add(() => cleanUp(deps, spec));
    },

    async lastCleanup() {
      const last = await records.lastCleanup();
      if (last === null) throw new ImageError('not_found', 'no cleanup has run yet');
      return last;
    },

    usage: (days, caller) => reportUsage(deps, days, caller),

    async waitUntilFinished(mediaId, timeoutMs, signal) {
      const finished = new AbortController();
      const unsubscribe = events.subscribe(mediaId, {
        changed(image) {
          if (image === null || isFinished(image.status)) finished.abort();
        },
      });
      try {
        // What happened before the subscription is in the record.
        const image = await records.get(mediaId);
        if (image === null || isFinished(image.status)) return image;
        await clock.sleep(timeoutMs, AbortSignal.any([signal, stopping, finished.signal])).catch(() => undefined);
        return await records.get(mediaId);
      } finally {
        unsubscribe();
      }
    },
  };
}
