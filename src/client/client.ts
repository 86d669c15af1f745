/**
 * The client of Easel. It uses `fetch` and what comes with it, so that it runs in Node from 20, in browsers and in edge runtimes.
 *
 *     import { createEasel } from 'easel/client';
 *
 *     const easel = createEasel({ baseUrl: 'https://easel.example', apiKey });
 *     const { url } = await easel.generate({ prompt: 'a lighthouse at dusk' });
 */

import type { Easel, EaselOptions, GenerateRequest, ListQuery, SubmitOptions, UsageRange } from './easel.ts';
import { EaselError, failureOf, notFound } from './errors.ts';
import { followImage, imagePath, isFinished } from './following.ts';
import { type Limit, openLimit, sleep, within } from './limit.ts';
import { toRequestBody } from './request-body.ts';
import { createSending } from './sending.ts';
import type { CleanupReport, ImagePage, ImageRecord, Model, Preset, RequestPreview, UsageReport } from './shapes.ts';
import { verifyWebhook, WebhookError } from './webhooks.ts';

export type * from './easel.ts';
export type { EaselErrorCode } from './errors.ts';
export type * from './shapes.ts';
export { EaselError, verifyWebhook, WebhookError };

/** Longest that a call to make a picture waits for its answer, as proxies commonly cut connections after 60 s. */
const WAIT_SECONDS = 50;
/** Milliseconds before a request is sent again to wait on. */
const JOIN_GAP_MS = 500;
/** Milliseconds for an answer that a service gives by itself. */
const ANSWER_MS = 60_000;

/**
 * Creates a client of the service at `baseUrl`. Nothing is sent before the first call. Raises `TypeError` for options that cannot be right.
 */
export function createEasel(options: EaselOptions): Easel {
  const sending = createSending(options);

  /** Sends a request for a picture, under one key however often it is sent. */
  const submit = async (
    request: GenerateRequest,
    { idempotencyKey = newKey() }: SubmitOptions,
    prefer: string,
    waitMs: number,
    limit: Limit,
  ) => {
    const { body, uploadMs } = toRequestBody(request);
    const headers = { prefer, 'idempotency-key': idempotencyKey };
    const answerMs = ANSWER_MS + waitMs + uploadMs;
    const call = { method: 'POST', path: '/images', headers, body, answerMs, isRepeatable: true } as const;
    return await sending.json<ImageRecord>({ ...call, outlivesOutage: waitMs > 0 }, limit);
  };

  const waitForEnd = async (mediaId: string, limit: Limit, isKnown: boolean): Promise<ImageRecord> => {
    for await (const { type, data } of followImage(sending, mediaId, limit, { readsRecord: true, isKnown })) {
      if (type === 'done') return succeeded(data);
      if (type === 'deleted') throw notFound(mediaId, 'the picture was deleted while it was waited for');
    }
    throw new EaselError({
      code: 'unexpected_answer',
      message: 'the events of the picture end without its end',
      mediaId,
    });
  };

  return {
    generate: (request, { idempotencyKey = newKey(), ...options } = {}) =>
      within(options, async (limit) => {
        const ask = () => submit(request, { idempotencyKey }, `wait=${WAIT_SECONDS}`, WAIT_SECONDS * 1000, limit);
        let record = await ask();
        if (isFinished(record)) return succeeded(record);
        try {
          return await waitForEnd(record.mediaId, limit, true);
        } catch (error) {
          const mayRead = !(error instanceof EaselError && error.code === 'forbidden');
          if (mayRead) throw error;
        }
        // A key may make pictures and read none. Its request, sent again, waits for the same picture.
        do {
          await sleep(JOIN_GAP_MS, limit.signal);
          record = await ask();
        } while (!isFinished(record));
        return succeeded(record);
      }),

    submit: (request, options = {}) => within(options, (limit) => submit(request, options, 'respond-async', 0, limit)),

    wait: (mediaId, options = {}) => within(options, async (limit) => await waitForEnd(checked(mediaId), limit, false)),

    get: (mediaId, options = {}) =>
      within(options, async (limit) => await sending.json<ImageRecord>({ path: imagePath(checked(mediaId)) }, limit)),

    page: (query = {}, options = {}) =>
      within(options, (limit) => sending.json<ImagePage>({ path: `/images?${toParameters(query)}` }, limit)),

    async *list(query = {}, options = {}) {
      const parameters = toParameters(query);
      for (;;) {
        const path = `/images?${parameters}`;
        const page = await within(options, (limit) => sending.json<ImagePage>({ path }, limit));
        yield* page.items;
        if (page.nextCursor === null) return;
        parameters.set('cursor', page.nextCursor);
      }
    },

    async *events(mediaId, options = {}) {
      const { lastEventId } = options;
      const limit = openLimit(options);
      try {
        yield* followImage(sending, checked(mediaId), limit, { lastEventId });
      } finally {
        limit.end();
      }
    },

    cancel: (mediaId, options = {}) =>
      within(options, async (limit) => {
        const path = `${imagePath(checked(mediaId))}/cancel`;
        return await sending.json<ImageRecord>({ method: 'POST', path, isRepeatable: true }, limit);
      }),

    retry: (mediaId, options = {}) =>
      within(options, async (limit) => {
        const path = `${imagePath(checked(mediaId))}/retry`;
        return await sending.json<ImageRecord>({ method: 'POST', path, headers: { prefer: 'respond-async' } }, limit);
      }),

    patch: (mediaId, patch, options = {}) =>
      within(options, async (limit) => {
        const path = imagePath(checked(mediaId));
        return await sending.json<ImageRecord>({ method: 'PATCH', path, body: patch, isRepeatable: true }, limit);
      }),

    remove: (mediaId, options = {}) =>
      within(options, async (limit) => {
        const path = imagePath(checked(mediaId));
        await sending.json({ method: 'DELETE', path, isRepeatable: true, isDoneWhenGone: true }, limit);
      }),

    preview: (request, options = {}) =>
      within(options, async (limit) => {
        const { body, uploadMs } = toRequestBody(request);
        const answerMs = ANSWER_MS + uploadMs;
        const call = { method: 'POST', path: '/images/preview', body, answerMs, isRepeatable: true } as const;
        return await sending.json<RequestPreview>(call, limit);
      }),

    cleanup: (cleanup = {}, options = {}) =>
      within(options, async (limit) => {
        // However many files there are; and a second one would report what the first has left.
        const call = { method: 'POST', path: '/cleanup', body: cleanup, answerMs: Number.POSITIVE_INFINITY } as const;
        return await sending.json<CleanupReport>({ ...call, isRepeatable: cleanup.dryRun === true }, limit);
      }),

    usage: (range = {}, options = {}) =>
      within(options, (limit) => sending.json<UsageReport>({ path: `/usage?${toParameters(range)}` }, limit)),

    models: (options = {}) =>
      within(options, async (limit) => (await sending.json<Items<Model>>({ path: '/models' }, limit)).items),

    presets: (options = {}) =>
      within(options, async (limit) => (await sending.json<Items<Preset>>({ path: '/presets' }, limit)).items),

    media: (url, options = {}) =>
      within(options, async (limit) => {
        const headers = { accept: 'image/*' };
        const answer = await sending.request({ path: mediaPath(url), headers, bodySignal: options.signal }, limit);
        answer.stopClock();
        return answer.response;
      }),

    verifyWebhook,
  };
}

interface Items<Item> {
  readonly items: readonly Item[];
}

/** The record of a picture that has ended well. Raises `EaselError` for any other. */
function succeeded(record: ImageRecord): ImageRecord {
  if (record.status !== 'succeeded') throw failureOf(record);
  return record;
}

/** A mediaId that stays in its place in a path. The service cannot have given any other. */
function checked(mediaId: string): string {
  if (mediaId === '' || mediaId === '.' || mediaId === '..') {
    throw notFound(mediaId, `there is no picture with the mediaId ${JSON.stringify(mediaId)}`);
  }
  return mediaId;
}

/** Where a picture is: below the base URL where a record has a path. */
function mediaPath(url: string): string {
  if (/^https?:\/\//i.test(url)) return url;
  if (/^[a-z][a-z0-9+.-]*:/i.test(url)) throw new TypeError(`media takes the url of a record, and this is ${url}`);
  return url.startsWith('/') ? url : `/${url}`;
}

function toParameters(query: ListQuery | UsageRange): URLSearchParams {
  const parameters = new URLSearchParams();
  for (const [name, value] of Object.entries(query)) {
    for (const item of Array.isArray(value) ? value : [value]) {
      if (item !== undefined) parameters.append(name, String(item));
    }
  }
  return parameters;
}

/** A random key. `crypto.randomUUID` is missing on pages that came over http. */
function newKey(): string {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, '0')).join('');
}
