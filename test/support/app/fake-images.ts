import { createHash } from 'node:crypto';
import { setTimeout as delay } from 'node:timers/promises';
import { createImageEvents, type LocalImageEvents } from '../../../src/adapters/events/local.ts';
import { ImageError } from '../../../src/core/domain/errors.ts';
import { hasEndedWithoutPicture, type Image, isFinished, type MediaFile } from '../../../src/core/domain/image.ts';
import { changeOf } from '../../../src/core/domain/image-change.ts';
import { createFileUrls, createToRecord } from '../../../src/core/domain/record.ts';
import type { Caller, CreateImage, ImagePatch } from '../../../src/core/domain/request.ts';
import type { Submission } from '../../../src/core/images/admission.ts';
import { createFeed } from '../../../src/core/images/feed/create-feed.ts';
import { createFollow } from '../../../src/core/images/follow.ts';
import type { DeliveryFilter, ImageFilter, Images } from '../../../src/core/images/images.ts';
import { createProvenance } from '../../../src/core/images/provenance.ts';
import { CATALOG, unlistedModel } from '../../../src/core/models/catalog.ts';
import { BUILT_IN_PRESETS } from '../../../src/core/planning/built-in-presets.ts';
import type { CleanupOptions } from '../../../src/core/retention/cleanup.ts';

/** `Images` in memory, for tests of the routes: an image finishes only when the test calls `settle`. */
export interface FakeImages extends Images {
  readonly stored: Map<string, Image>;
  /** The changes of images, for `follow` and `followAll`. */
  readonly events: LocalImageEvents;
  readonly submitted: { readonly request: CreateImage; readonly caller: Caller; readonly key: string | null }[];
  readonly waits: { readonly mediaId: string; readonly timeoutMs: number; readonly signal: AbortSignal }[];
  readonly listed: ImageFilter[];
  readonly listedDeliveries: DeliveryFilter[];
  readonly cleaned: CleanupOptions[];
  readonly patched: { readonly mediaId: string; readonly patch: ImagePatch; readonly caller: Caller }[];
  /** What the next submissions do, in place of storing a queued image. */
  onSubmit: ((request: CreateImage) => Submission) | null;
  /** Changes an image and wakes the requests that wait for it. */
  settle(mediaId: string, change: Partial<Image>): void;
  /** Removes an image and wakes the requests that wait for it. */
  forget(mediaId: string): void;
}

export function createFakeImages(): FakeImages {
  const stored = new Map<string, Image>();
  const awake = new Map<string, () => void>();
  const events = createImageEvents();
  const tell = (mediaId: string, before: Image | null) => {
    awake.get(mediaId)?.();
    const after = stored.get(mediaId) ?? null;
    events.publish(mediaId, after);
    const change = changeOf(before, after);
    if (change !== null) events.announce(change);
  };
  const ending = new AbortController().signal;
  let feeds = 0;

  const fake: FakeImages = {
    stored,
    events,
    submitted: [],
    waits: [],
    listed: [],
    listedDeliveries: [],
    cleaned: [],
    patched: [],
    onSubmit: null,

    async submit(request, caller, key) {
      fake.submitted.push({ request, caller, key });
      if (fake.onSubmit) return fake.onSubmit(request);
      const mediaId = request.mediaId ?? `made-${fake.submitted.length}`;
      const known = stored.get(mediaId);
      if (known) return { image: known, started: false, replayed: known.status === 'failed' };
      const image = exampleImage({ mediaId, status: 'queued' });
      stored.set(mediaId, image);
      return { image, started: true, replayed: false };
    },

    async retry(mediaId, caller) {
      const image = await fake.get(mediaId, caller);
      if (!hasEndedWithoutPicture(image)) throw new ImageError('not_retryable', 'there is nothing to run again');
      const queued: Image = { ...image, status: 'queued', error: null };
      stored.set(mediaId, queued);
      return { image: queued, started: true, replayed: false };
    },

    async retryCost(mediaId, caller) {
      const image = await fake.get(mediaId, caller);
      if (!hasEndedWithoutPicture(image)) throw new ImageError('not_retryable', 'there is nothing to run again');
      return { cost: { usd: 0.02, basis: 'estimate' }, call: true, mayBePaidAlready: true };
    },

    preview: async ({ prompt }) => ({
      prompt: prompt ?? '',
      requestedSize: '1216x688',
      crop: { left: 0, top: 2, width: 1216, height: 684 },
      parametersDropped: ['style'],
      cost: { usd: 0.02, basis: 'estimate' },
      providers: ['openai'],
    }),

    async usage({ days = 30 }) {
      return {
        days: [{ day: '2026-11-23', model: 'gpt-image-2', key: 'anonymous', images: days, usd: null }],
        budget: { usdPerDay: 50, spent: 1.5, reserved: 0.25, resetsAt: '2026-11-24T00:00:00.000Z' },
      };
    },

    async waitUntilFinished(mediaId, timeoutMs, signal) {
      fake.waits.push({ mediaId, timeoutMs, signal });
      const image = stored.get(mediaId);
      if (image !== undefined && !isFinished(image.status)) {
        await new Promise<void>((resolve) => {
          awake.set(mediaId, resolve);
          signal.addEventListener('abort', () => resolve());
        });
      }
      return stored.get(mediaId) ?? null;
    },

    async get(mediaId) {
      const image = stored.get(mediaId);
      if (image === undefined) throw new ImageError('not_found', `there is no image ${mediaId}`);
      return image;
    },

    labels: async () => [{ label: 'blog', images: 2 }],

    async list(filter) {
      fake.listed.push(filter);
      return { items: [...stored.values()], nextCursor: null };
    },

    async follow(mediaId, caller, lastEventId, signal) {
      const image = await fake.get(mediaId, caller);
      const records = { get: async () => stored.get(mediaId) ?? null };
      const follow = createFollow({ records, events, toRecord: exampleRecord, ending });
      return follow(image, lastEventId, signal);
    },

    followAll: createFeed({
      events,
      toRecord: (image) => exampleRecord(image),
      clock: {
        monotonic: () => performance.now(),
        sleep: (ms, signal) => delay(ms, undefined, { signal, ref: false }),
      },
      newId: () => `feed${++feeds}`,
      ending,
    }),

    async cancel(mediaId, caller) {
      await fake.get(mediaId, caller);
      fake.settle(mediaId, { status: 'cancelled' });
      return await fake.get(mediaId, caller);
    },

    async patch(mediaId, patch, caller, precondition) {
      precondition?.(await fake.get(mediaId, caller));
      fake.patched.push({ mediaId, patch, caller });
      return await fake.get(mediaId, caller);
    },

    async provenance(mediaId, caller) {
      const reader = { read: async () => ({ xmp: null, c2pa: null }) };
      const readProvenance = createProvenance({ store: { read: async () => null }, reader, urls: PLAIN_URLS });
      return await readProvenance(await fake.get(mediaId, caller));
    },

    models: () => [
      { model: CATALOG.get('gpt-image-2') ?? unlistedModel('gpt-image-2'), provider: 'openai', usable: true },
    ],
    presets: () => BUILT_IN_PRESETS,
    deliveries: async () => [],
    async listDeliveries(filter) {
      fake.listedDeliveries.push(filter);
      return { items: [], nextCursor: null };
    },
    operations: async () => ({
      providers: [],
      queue: { queued: 0, running: 0, limit: 1000, oldestQueuedAt: null },
      disk: { freeBytes: null, mediaBytes: 0, maxBytes: null },
      cleanup: { nextAt: null, last: null },
      stages: [],
      instances: [],
    }),
    async redeliver() {
      throw new ImageError('not_found', 'there is no such delivery');
    },

    async remove(mediaId, caller) {
      await fake.get(mediaId, caller);
      fake.forget(mediaId);
    },

    async cleanup(options) {
      fake.cleaned.push(options);
      return {
        deleted: 1,
        ...(options.dryRun && { mediaIds: ['old'] }),
        freedBytes: 2,
        kept: 3,
        orphansRemoved: 4,
        foreignFiles: 0,
        missingFiles: 1,
        missingFilesOf: ['lost'],
        failures: 0,
        failuresOf: [],
        dryRun: options.dryRun ?? false,
        durationMs: 5.5,
      };
    },

    async lastCleanup() {
      throw new ImageError('not_found', 'no cleanup has run yet');
    },

    settle(mediaId, change) {
      const before = stored.get(mediaId) ?? null;
      stored.set(mediaId, { ...(before ?? exampleImage({ mediaId })), ...change });
      tell(mediaId, before);
    },

    forget(mediaId) {
      const before = stored.get(mediaId) ?? null;
      stored.delete(mediaId);
      tell(mediaId, before);
    },
  };
  return fake;
}

/** URLs of public pictures, where `PUBLIC_URL` is not set. */
export const PLAIN_URLS = createFileUrls(null);

/** A process that calls no provider, whose queue has one image. */
export const RECORD_DEPS: Parameters<typeof createToRecord>[0] = {
  urls: PLAIN_URLS,
  pathOf: (name) => `media/${name}`,
  runningCalls: new Set<string>(),
  positionOf: async () => 1,
};

/** The record of an image whose pictures are public, in that process. */
export const exampleRecord = createToRecord(RECORD_DEPS);

/** A succeeded image with most fields filled in. */
export function exampleImage(change: Partial<Image> = {}): Image {
  const mediaId = change.mediaId ?? 'example';
  return {
    mediaId,
    status: 'succeeded',
    run: 1,
    owner: 'anonymous',
    idempotencyKey: null,
    request: {
      prompt: 'a lighthouse',
      brief: null,
      preset: 'article-hero@1',
      model: 'gpt-image-2',
      provider: null,
      size: { width: 1792, height: 1024 },
      quality: 'auto',
      style: null,
      background: 'auto',
      format: 'png',
      renditions: [{ width: 1200, height: 675, format: 'webp' }],
      metadata: { articleId: '42' },
      labels: ['blog'],
      ttlSeconds: null,
      webhookUrl: null,
    },
    prompt: 'a lighthouse',
    provider: 'openai',
    model: 'gpt-image-2',
    requestedSize: { width: 1792, height: 1024 },
    revisedPrompt: null,
    allowanceFrom: 1,
    attempts: [
      {
        id: '0190',
        run: 1,
        provider: 'openai',
        model: 'gpt-image-2',
        startedAt: '2026-11-23T16:00:00.000Z',
        durationMs: 1234.5,
        outcome: 'ok',
        httpStatus: 200,
        providerRequestId: 'req_1',
        cost: { usd: 0.041, basis: 'usage' },
        announced: null,
      },
    ],
    original: null,
    master: exampleFile(`${mediaId}.png`, Buffer.from('master'), { width: 1792, height: 1024 }),
    renditions: [
      exampleFile(`${mediaId}@1200x675.webp`, Buffer.from('rendition'), { width: 1200, height: 675, format: 'webp' }),
    ],
    pending: [],
    thumbhash: '1QcSHQRnh493V4dIh4eXh1h4kJUI',
    dominantColour: '#2a4d69',
    checks: [{ name: 'entropy', value: 7.1, threshold: 2, verdict: 'ok' }],
    cost: { usd: 0.041, basis: 'usage' },
    estimate: { usd: 0.05, basis: 'estimate' },
    warnings: [{ code: 'parameter_dropped', detail: 'style was written into the prompt' }],
    createdAt: '2026-11-23T16:00:00.000Z',
    requestedAt: '2026-11-23T16:00:00.000Z',
    completedAt: '2026-11-23T16:00:10.000Z',
    expiresAt: null,
    ttlSince: null,
    error: null,
    ...change,
  };
}

/** The `MediaFile` entry of a record for a file with these bytes. */
export function exampleFile(name: string, bytes: Uint8Array, change: Partial<MediaFile> = {}): MediaFile {
  const sha256 = createHash('sha256').update(bytes).digest('hex');
  return { name, width: 16, height: 16, format: 'png', bytes: bytes.length, sha256, ...change };
}
