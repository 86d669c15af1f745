/** What a client can do. */

import type {
  CleanupOptions,
  CleanupReport,
  CreateImage,
  ImagePage,
  ImageRecord,
  ImageStatus,
  Model,
  PartialPicture,
  PatchImage,
  Preset,
  RequestPreview,
  StatusReport,
  UsageReport,
  WebhookType,
} from './shapes.ts';

type NamedPicture = NonNullable<CreateImage['mask']>;

/** A picture to start from: named as in `POST /images`, or its bytes. */
export type PictureInput = Omit<NamedPicture, 'file'> | { readonly file: Blob };

/** A picture to make: the body of `POST /images`, with files as blobs. */
export type GenerateRequest = Omit<CreateImage, 'inputs' | 'mask'> & {
  readonly inputs?: readonly PictureInput[] | null | undefined;
  readonly mask?: PictureInput | null | undefined;
};

/** An event of one picture. */
export type ImageEvent =
  | { readonly id: string; readonly type: 'status'; readonly data: StatusReport }
  | { readonly id: string; readonly type: 'partial'; readonly data: PartialPicture }
  | { readonly id: string; readonly type: 'done'; readonly data: ImageRecord }
  | { readonly id: string; readonly type: 'deleted'; readonly data: { readonly mediaId: string } };

/** A webhook's message. */
export interface WebhookMessage {
  readonly type: WebhookType;
  /** When the picture ended. */
  readonly timestamp: string;
  readonly data: ImageRecord;
}

/** The headers of a request: those of a `Request`, or of Node's `http`. */
export type WebhookHeaders =
  | { get(name: string): string | null }
  | { readonly [name: string]: string | readonly string[] | undefined };

/** What every call takes last. */
export interface CallOptions {
  /** Ends the waiting only: nothing is cancelled. The call rejects with `AbortError`, whose cause is the signal's reason. */
  readonly signal?: AbortSignal | undefined;
  /**
   * Milliseconds for the whole call, its retries included; of `list`, for each page. Then it ends as by `signal`, the cause being a
   * `TimeoutError`. Without it a call that waits for a picture waits as long as it takes, and any other a minute for each answer.
   */
  readonly timeoutMs?: number | undefined;
}

/** What calls that may pay take last. */
export interface SubmitOptions extends CallOptions {
  /** The same key and request pay once. By default each call makes its own, and sends it with every retry. */
  readonly idempotencyKey?: string | undefined;
}

/** Which pictures to list. */
export interface ListQuery {
  readonly status?: ImageStatus | readonly ImageStatus[] | undefined;
  readonly label?: string | readonly string[] | undefined;
  readonly preset?: string | undefined;
  /** Every word of it, in the prompt or the brief. */
  readonly q?: string | undefined;
  readonly createdAfter?: string | undefined;
  readonly createdBefore?: string | undefined;
  /** Records of a page, 1 to 100: how many are read at a time, not how many there are. */
  readonly limit?: number | undefined;
}

/** The days of a report, in UTC, such as `2026-11-28`. */
export interface UsageRange {
  readonly from?: string | undefined;
  readonly to?: string | undefined;
}

/** Where the service is, and how it is reached. */
export interface EaselOptions {
  /** Such as `https://easel.example`; a path in it is kept. */
  readonly baseUrl: string | URL;
  readonly apiKey?: string | null | undefined;
  /** Sends all requests; the platform's own by default. */
  readonly fetch?: ((url: string, init: RequestInit) => Promise<Response>) | undefined;
  /**
   * How often a request is sent again that may be: a reading, a call that does the same when it comes twice, a request for a picture under
   * its one key. 2 by default. What waits for a picture also survives an outage of the service of half a minute for each.
   */
  readonly maxRetries?: number | undefined;
}

/**
 * A service of Easel. Every function raises `EaselError` for a problem, an unreachable service and an answer that is not Easel's, and
 * `AbortError` where its caller ended it.
 */
export interface Easel {
  /** Makes a picture and waits for its end, however long. Raises `EaselError` where it failed or was cancelled. */
  generate(request: GenerateRequest, options?: SubmitOptions): Promise<ImageRecord>;
  /** Asks for a picture, and resolves as soon as the service has it. */
  submit(request: GenerateRequest, options?: SubmitOptions): Promise<ImageRecord>;
  /** Waits for the end of a picture. Raises `EaselError` where it failed or was cancelled. */
  wait(mediaId: string, options?: CallOptions): Promise<ImageRecord>;
  get(mediaId: string, options?: CallOptions): Promise<ImageRecord>;
  /** All pictures that the query finds, newest first, read a page at a time. */
  list(query?: ListQuery, options?: CallOptions): AsyncIterableIterator<ImageRecord>;
  /** One page of what the query finds; `cursor` is the `nextCursor` of the page before. */
  page(query?: ListQuery & { readonly cursor?: string | undefined }, options?: CallOptions): Promise<ImagePage>;
  /** The events of one picture, over lost connections, up to its end. */
  events(
    mediaId: string,
    options?: CallOptions & { readonly lastEventId?: string | undefined },
  ): AsyncIterableIterator<ImageEvent>;
  cancel(mediaId: string, options?: CallOptions): Promise<ImageRecord>;
  /** Runs a failed or cancelled picture again although that may cost again; resolves as soon as the service has it. Never sent twice. */
  retry(mediaId: string, options?: CallOptions): Promise<ImageRecord>;
  patch(mediaId: string, patch: PatchImage, options?: CallOptions): Promise<ImageRecord>;
  /** Deletes the picture, its files and its record. */
  remove(mediaId: string, options?: CallOptions): Promise<void>;
  /** What a request would do and cost. Nothing is called or paid. */
  preview(request: GenerateRequest, options?: CallOptions): Promise<RequestPreview>;
  cleanup(cleanup?: CleanupOptions, options?: CallOptions): Promise<CleanupReport>;
  usage(range?: UsageRange, options?: CallOptions): Promise<UsageReport>;
  models(options?: CallOptions): Promise<readonly Model[]>;
  presets(options?: CallOptions): Promise<readonly Preset[]>;
  /**
   * The bytes of a picture by the `url` of its record, or of one of its renditions. The key is sent to the service alone. Raises
   * `EaselError` for any other status than 2xx.
   */
  media(url: string, options?: CallOptions): Promise<Response>;
  /**
   * Resolves with a webhook's message: `body` as it came, byte for byte, the request's headers, and `WEBHOOK_SECRET`. Raises `WebhookError`
   * where the message is not the service's, or was sent more than 5 minutes ago.
   */
  verifyWebhook(
    body: string | ArrayBuffer | Uint8Array,
    headers: WebhookHeaders,
    secret: string,
  ): Promise<WebhookMessage>;
}
