/**
 * The words of Easel, as types.
 *
 * - **request**: what the caller asked for, with every default resolved. Two requests that resolve alike are the same.
 * - **image**: the durable row about one picture, named by its mediaId; `toRecord` gives the shape callers see.
 * - **attempt**: one call to a provider. It is written down before it is sent and closed after, so that a crash leaves a trace.
 * - **original**: the bytes the model returned, untouched. **master**: the picture at exactly the size asked for.
 *   **rendition**: a derived size or format of the master.
 *
 * Lifecycle: queued → generating → processing → succeeded, or `failed` or `cancelled` from any of the first three. A succeeded
 * image whose master is gone from the disk goes back to processing.
 * An image with work left is a job, and the queue is nothing but these: the unfinished, and the succeeded whose slow
 * renditions are pending.
 */

export const IMAGE_STATUSES = ['queued', 'generating', 'processing', 'succeeded', 'failed', 'cancelled'] as const;
export type ImageStatus = (typeof IMAGE_STATUSES)[number];

const FINISHED: ReadonlySet<ImageStatus> = new Set(['succeeded', 'failed', 'cancelled']);

/** Label of images that no cleanup takes; only their DELETE does. */
export const PINNED = 'pinned';

/** Whether the picture itself is settled: nothing but pending renditions can follow by itself. */
export function isFinished(status: ImageStatus): boolean {
  return FINISHED.has(status);
}

export const MASTER_FORMATS = ['png', 'jpeg', 'webp'] as const;
export type MasterFormat = (typeof MASTER_FORMATS)[number];

export const RENDITION_FORMATS = ['png', 'jpeg', 'webp', 'avif'] as const;
export type RenditionFormat = (typeof RENDITION_FORMATS)[number];

export const QUALITIES = ['auto', 'low', 'medium', 'high', 'xhigh', 'max', 'standard', 'hd'] as const;
export type Quality = (typeof QUALITIES)[number];

export const BACKGROUNDS = ['auto', 'transparent', 'opaque'] as const;
export type Background = (typeof BACKGROUNDS)[number];

/** IPTC NewsCode for pictures made by a model that was trained on sampled data: what every picture of Easel is. */
export const TRAINED_ALGORITHMIC_MEDIA = 'http://cv.iptc.org/newscodes/digitalsourcetype/trainedAlgorithmicMedia';

/** A width and a height in pixels. */
export interface Size {
  readonly width: number;
  readonly height: number;
}

/** A rectangle in pixels, inside a picture whose top left corner is 0, 0. */
export interface Crop extends Size {
  readonly left: number;
  readonly top: number;
}

export interface RenditionSpec extends Size {
  readonly format: RenditionFormat;
}

/**
 * How a picture is brought to another shape: cut around its middle, around what draws the eye (`attention`) or around
 * where there is most to see (`entropy`), or kept whole before a plain ground (`contain`).
 */
export const CROPS = ['centre', 'attention', 'entropy', 'contain'] as const;
export type CropStrategy = (typeof CROPS)[number];

/** What the caller wants to see, in parts. Absent parts are absent, never empty strings or empty lists. */
export interface Brief {
  readonly subject?: string;
  readonly style?: string;
  readonly mood?: string;
  readonly palette?: readonly string[];
  readonly composition?: string;
  readonly lighting?: string;
  readonly avoid?: readonly string[];
  readonly text?: string;
}

/** A request with every default resolved; its canonical JSON is what the fingerprint is taken of. */
export interface ImageRequest {
  readonly prompt: string | null;
  readonly brief: Brief | null;
  /** `name@version`, or null where no preset was asked for. */
  readonly preset: string | null;
  readonly model: string;
  /** The one provider the caller named, or null where the configured order applies. */
  readonly provider: string | null;
  readonly size: Size;
  readonly quality: Quality;
  readonly style: string | null;
  readonly background: Background;
  readonly format: MasterFormat;
  readonly renditions: readonly RenditionSpec[];
  /** Absent: `centre`, so that requests of the time before there was a choice stay equal. */
  readonly crop?: CropStrategy;
  /** What becomes of pictures that do not pass a check, where the preset has it otherwise than the settings. */
  readonly checks?: Partial<CheckPolicy>;
  readonly metadata: Readonly<Record<string, string>>;
  readonly labels: readonly string[];
  readonly ttlSeconds: number | null;
  readonly webhookUrl: string | null;
}

/**
 * How one call to a provider ended: `ok`, `failed` (known not to be billed), `unknown` (may be billed) or `cancelled`.
 * An attempt that is still open is `unknown` with a null duration, which is the truth about it until it is closed.
 */
export type AttemptOutcome = 'ok' | 'failed' | 'unknown' | 'cancelled';

export interface Attempt {
  /** Names the original's file, so that a restart can tell whether this very call brought a picture. */
  readonly id: string;
  /** Which run of the image it belongs to; each run has its own allowance of attempts. */
  readonly run: number;
  readonly provider: string;
  readonly model: string;
  /** ISO 8601, UTC. */
  readonly startedAt: string;
  /** Null while the call runs, and for ever if the process died during it. */
  readonly durationMs: number | null;
  readonly outcome: AttemptOutcome;
  readonly httpStatus: number | null;
  readonly providerRequestId: string | null;
  /** The estimate until the outcome is known, and for ever where it never is; nothing for a call that failed. */
  readonly cost: Cost;
}

export interface Original {
  /** Name inside the media store, below `originals/`. */
  readonly name: string;
  readonly bytes: number;
  readonly sha256: string;
  /** False once it has failed its checks: it is set aside, and only a new request pays for another. */
  readonly sound: boolean;
}

/** One published file: the master or a rendition. */
export interface MediaFile extends Size {
  /** Name inside the media store; also the last part of its URL. */
  readonly name: string;
  readonly format: RenditionFormat;
  readonly bytes: number;
  readonly sha256: string;
}

export const CHECK_NAMES = ['uniformity', 'entropy', 'sharpness', 'borders', 'size', 'ratio'] as const;
export type CheckName = (typeof CHECK_NAMES)[number];

/** What becomes of a picture that does not pass a check; `off`: it is not made. */
export const CHECK_MODES = ['off', 'warn', 'reject'] as const;
export type CheckPolicy = Readonly<Record<CheckName, (typeof CHECK_MODES)[number]>>;

/** Only the check that accuses no fine picture rejects. */
export const DEFAULT_CHECKS: CheckPolicy = {
  uniformity: 'reject',
  entropy: 'warn',
  sharpness: 'warn',
  borders: 'warn',
  size: 'warn',
  ratio: 'warn',
};

/** What one check found. A value below the threshold is not ok. */
export interface Check {
  readonly name: CheckName;
  readonly value: number;
  readonly threshold: number;
  readonly verdict: 'ok' | 'warn' | 'reject';
}

/** Where the sum comes from: the provider's own usage report, the catalog's estimate, or nowhere. */
export type CostBasis = 'usage' | 'estimate' | 'unknown';

export interface Cost {
  /** US dollars; null exactly where the basis is `unknown`, never a silent 0. */
  readonly usd: number | null;
  readonly basis: CostBasis;
}

export interface Warning {
  readonly code: string;
  readonly detail: string;
}

/** Said of an image that was cancelled too late, until it is asked for again. */
export const PICTURE_KEPT: Warning = {
  code: 'picture_kept',
  detail: 'the picture arrived although the image was cancelled; the same request finishes it without paying again',
};

export interface Image {
  readonly mediaId: string;
  readonly status: ImageStatus;
  /** Starts at 1 and grows each time a failed or cancelled image is asked for again. */
  readonly run: number;
  /** Name of the API key that made it; `anonymous` where no keys are configured. */
  readonly owner: string;
  readonly idempotencyKey: string | null;
  /** W3C trace context of the request that set the run going, so that its trace goes on in the job. Absent or null: not traced. */
  readonly traceparent?: string | null;
  readonly fingerprint: string;
  readonly request: ImageRequest;
  /** The final prompt, the provider, the model and the size that were, or will first be, sent. */
  readonly prompt: string;
  readonly provider: string;
  readonly model: string;
  readonly requestedSize: Size;
  readonly revisedPrompt: string | null;
  readonly attempts: readonly Attempt[];
  readonly original: Original | null;
  readonly master: MediaFile | null;
  /** Those that are published, in the order of the request. */
  readonly renditions: readonly MediaFile[];
  /** Renditions of a succeeded image that are still to be made. */
  readonly pending: readonly RenditionSpec[];
  /** Of the master, base64. */
  readonly thumbhash: string | null;
  /** Of the master, as `#rrggbb`. */
  readonly dominantColour: string | null;
  readonly checks: readonly Check[];
  /** Of all attempts together. */
  readonly cost: Cost;
  /** What the next call is expected to cost at most: held back from the budget while the image is queued. */
  readonly estimate: Cost;
  readonly warnings: readonly Warning[];
  /** All times are ISO 8601, UTC. */
  readonly createdAt: string;
  readonly completedAt: string | null;
  readonly expiresAt: string | null;
  readonly error: { readonly code: string; readonly detail: string } | null;
}

/** The parts of an image that each run makes anew. */
export const UNFINISHED = {
  master: null,
  renditions: [],
  pending: [],
  thumbhash: null,
  dominantColour: null,
  checks: [],
  completedAt: null,
  error: null,
} as const satisfies Partial<Image>;

/** Whether an unfinished image is finished once more, because files of it are gone. It was judged and told of when it was made. */
export function isMended({ completedAt }: Image): boolean {
  return completedAt !== null;
}

/** Bytes that the image takes on disk. An original that is also the master is stored once. */
export function storedBytes({ original, master, renditions }: Image): number {
  const files = [original, master, ...renditions].filter((file) => file !== null);
  const distinct = new Map(files.map(({ sha256, bytes }) => [sha256, bytes]));
  return [...distinct.values()].reduce((sum, bytes) => sum + bytes, 0);
}

/** `1792x1024`, the way sizes are written in requests, records and file names. */
export function formatSize(size: Size): string {
  return `${size.width}x${size.height}`;
}

/** File name of the master of `mediaId`. */
export function masterName(mediaId: string, format: MasterFormat): string {
  return `${mediaId}.${format}`;
}

/** File name of a rendition. `@` is not legal in a mediaId, so no master can bear this name. */
export function renditionName(mediaId: string, spec: RenditionSpec): string {
  return `${mediaId}@${formatSize(spec)}.${spec.format}`;
}

/** Name of the original that `attemptId` brought. `~` is not legal in a mediaId. */
export function originalName(mediaId: string, attemptId: string): string {
  return `originals/${mediaId}~${attemptId}`;
}

/**
 * The mediaId that a stored file's name was made from, by `masterName`, `renditionName` or `originalName`; null where
 * none of them makes such a name. Whether that image exists and really has the file is for the records to say.
 */
export function mediaIdOf(name: string): string | null {
  const original = /^originals\/([^/@~]+)~[^/]+$/.exec(name);
  const rendition = /^([^/@~]+)@[^/@~]+$/.exec(name);
  const master = /^([^/@~]+)\.[^/@~.]+$/.exec(name);
  return (original ?? rendition ?? master)?.[1] ?? null;
}

/** Where a published file is served: `versionedUrl` may be cached for ever. */
export type MediaUrls = (file: MediaFile) => { readonly url: string; readonly versionedUrl: string };

/** The URLs as they are where everyone may fetch pictures. */
export const fileUrls: MediaUrls = ({ name, sha256 }) => {
  const url = `/media/${name}`;
  return { url, versionedUrl: `${url}?v=${sha256.slice(0, 12)}` };
};

/** A published file as callers see it. */
export function fileRecord(file: MediaFile, urls: MediaUrls) {
  return {
    ...urls(file),
    path: `media/${file.name}`,
    width: file.width,
    height: file.height,
    format: file.format,
    bytes: file.bytes,
    sha256: file.sha256,
  };
}

type RenditionRecord = ReturnType<typeof fileRecord> | { url: string; status: 'pending' };

/** In the order of the request; one that is made later stands as pending until it is there. */
function renditionRecords({ mediaId, request, renditions, pending }: Image, urls: MediaUrls) {
  return request.renditions.flatMap((spec): RenditionRecord[] => {
    const name = renditionName(mediaId, spec);
    const file = renditions.find((rendition) => rendition.name === name);
    if (file) return [fileRecord(file, urls)];
    const isPending = pending.some((waiting) => renditionName(mediaId, waiting) === name);
    return isPending ? [{ url: `/media/${name}`, status: 'pending' }] : [];
  });
}

/** The record: the answer of the API, the `done` event and the webhook's `data`. */
export type ImageRecord = ReturnType<typeof toRecord>;

/** The record of an image; `urls` says where its files are, for those who may fetch them. */
export function toRecord(image: Image, urls: MediaUrls) {
  const { request, master } = image;
  const file = master && fileRecord(master, urls);
  return {
    mediaId: image.mediaId,
    status: image.status,
    url: file?.url ?? null,
    versionedUrl: file?.versionedUrl ?? null,
    path: file?.path ?? null,
    width: request.size.width,
    height: request.size.height,
    format: request.format,
    bytes: file?.bytes ?? null,
    sha256: file?.sha256 ?? null,
    thumbhash: image.thumbhash,
    renditions: renditionRecords(image, urls),
    prompt: image.prompt,
    revisedPrompt: image.revisedPrompt,
    preset: request.preset,
    provider: image.provider,
    model: image.model,
    requestedSize: formatSize(image.requestedSize),
    checks: [...image.checks],
    attempts: image.attempts.map(({ id: _id, run: _run, model: _model, cost: _cost, ...attempt }) => attempt),
    cost: image.cost,
    warnings: [...image.warnings],
    metadata: request.metadata,
    labels: [...request.labels],
    createdAt: image.createdAt,
    completedAt: image.completedAt,
    expiresAt: image.expiresAt,
    error: image.error,
  };
}
