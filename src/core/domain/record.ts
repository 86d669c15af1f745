import { shownAttempts } from './attempt-list.ts';
import { renditionName, storedNameOf, thumbnailName } from './file-names.ts';
import { toMasterFormat, writtenRenditions } from './formats.ts';
import { formatSize, thumbnailSize } from './geometry.ts';
import { ATTEMPT_OUTCOMES, type Attempt, type AttemptOutcome, type Image, isOpen, type MediaFile } from './image.ts';
import { isPinned } from './life-cycle/pinning.ts';
import { startedAt, statusSince } from './life-cycle/times.ts';
import type { ImageRequest } from './request.ts';

/** Makes the URLs of files. */
export interface MediaUrls {
  /** The unsigned URL of a file by its name, also of one that is still to be made. */
  readonly ofName: (name: string) => string;
  /**
   * `url` serves a file's current content, `versionedUrl` names the content and may be cached as long as it opens. The two are the same for
   * a file that is still to be made, whose `sha256` is null. A signature is bound to `content`: that of the file where it is left out.
   */
  readonly ofFile: (file: LinkedFile, content?: SignedContent) => FileUrls;
}

interface FileUrls {
  readonly url: string;
  readonly versionedUrl: string;
}

interface LinkedFile {
  readonly name: string;
  /** In hex. */
  readonly sha256: string | null;
}

/** What a signed URL opens: a file of this name while it is, or is made from, content with this hash. */
export type SignedContent = Pick<MediaFile, 'name' | 'sha256'>;

/** That of a thumbnail: it goes by the master, so that a URL of one that is still to be made opens it afterwards. */
export function thumbnailContent({ mediaId }: Image, { sha256 }: MediaFile): SignedContent {
  return { name: thumbnailName(mediaId), sha256 };
}

/** Plain URLs, for public pictures: absolute below `publicUrl`, which has no slash at its end; without one, paths. */
export function createFileUrls(publicUrl: string | null): MediaUrls {
  const ofName = (name: string) => `${publicUrl ?? ''}/media/${name}`;
  return {
    ofName,
    ofFile({ name, sha256 }) {
      const url = ofName(name);
      return { url, versionedUrl: sha256 === null ? url : `${url}?v=${sha256.slice(0, 12)}` };
    },
  };
}

/** The public record of an image: the answer of the API, the `done` event and the webhook's `data`. */
export type ImageRecord = ReturnType<typeof toImageRecord>;

/** Makes the public record of an image as it stands now, with the URLs, the running calls and the queue of this process. */
export type ToRecord = (image: Image) => Promise<ImageRecord>;

/** What callers see of how a call ended: `running` while it runs, as far as is known. */
export const SHOWN_OUTCOMES = ['running', ...ATTEMPT_OUTCOMES] as const;
type ShownOutcome = 'running' | AttemptOutcome;

/** Whether the call of an attempt, named by its id, runs in this process. */
interface RunningCalls {
  has(attemptId: string): boolean;
}

/** What a record shows that is not part of its image. */
interface Surroundings {
  readonly urls: MediaUrls;
  /** Where a file is kept, by its name. */
  readonly pathOf: (name: string) => string;
  readonly runningCalls: RunningCalls;
  /**
   * Whether another process may be making the newest call of this image, which then counts as running while it is open. Absent where there
   * is none.
   */
  readonly isRunningElsewhere?: (image: Image) => boolean;
}

/**
 * The `isRunningElsewhere` of several processes over the same records: true for an image that is generating. Where the process of its call
 * was killed, the call is shown as running until the job is taken over.
 */
export function mayRunElsewhere({ status }: Image): boolean {
  return status === 'generating';
}

interface ToRecordDeps extends Surroundings {
  /** The place of a queued image in line. */
  readonly positionOf: (mediaId: string) => Promise<number | null>;
}

/** Creates the function that makes public records. */
export function createToRecord({ positionOf, ...surroundings }: ToRecordDeps): ToRecord {
  return async (image) => {
    const queuePosition = image.status === 'queued' ? await positionOf(image.mediaId) : null;
    return toImageRecord(image, queuePosition, surroundings);
  };
}

/** The record without what depends on the process that makes it: equal for equal images, also after a restart. */
export function toStableRecord(image: Image): ImageRecord {
  const surroundings = { urls: createFileUrls(null), pathOf: (name: string) => name, runningCalls: new Set<string>() };
  return toImageRecord(image, null, surroundings);
}

function toImageRecord(image: Image, queuePosition: number | null, surroundings: Surroundings) {
  const { request, master } = image;
  const { shown, count, cost } = shownAttempts(image);
  const file = master && toFileRecord(master, surroundings);
  const { runningCalls, isRunningElsewhere } = surroundings;
  const isRunning = ({ id }: Attempt, isNewest: boolean) =>
    runningCalls.has(id) || (isNewest && (isRunningElsewhere?.(image) ?? false));
  return {
    mediaId: image.mediaId,
    status: image.status,
    request: toRequestRecord(request),
    queuePosition,
    url: file?.url ?? null,
    versionedUrl: file?.versionedUrl ?? null,
    path: file?.path ?? null,
    width: master?.width ?? request.size.width,
    height: master?.height ?? request.size.height,
    format: master ? toMasterFormat(master.format) : request.format,
    bytes: file?.bytes ?? null,
    sha256: file?.sha256 ?? null,
    thumbhash: image.thumbhash,
    thumbnail: toThumbnailRecord(image, surroundings),
    renditions: toRenditionRecords(image, surroundings),
    prompt: image.prompt,
    revisedPrompt: image.revisedPrompt,
    preset: request.preset,
    provider: image.provider,
    model: image.model,
    requestedSize: formatSize(image.requestedSize),
    checks: [...image.checks],
    attempts: shown.map((attempt, index) => toAttemptRecord(attempt, isRunning(attempt, index === shown.length - 1))),
    attemptsOmitted: { count, usd: cost.usd },
    cost: image.cost,
    warnings: [...image.warnings],
    metadata: request.metadata,
    labels: [...request.labels],
    pinned: isPinned(image),
    createdAt: image.createdAt,
    statusSince: statusSince(image),
    startedAt: startedAt(image),
    completedAt: image.completedAt,
    expiresAt: image.expiresAt,
    error: image.error,
  };
}

/**
 * The request, written as in a body of `POST /images`, which it is valid as again, apart from the webhook's URL: it may hold
 * secrets, so only its scheme and host are shown.
 */
function toRequestRecord(request: ImageRequest) {
  return {
    prompt: request.prompt,
    // A body has a prompt or a brief. Beside a prompt, the brief is that of the preset, whose name stands for it.
    brief: request.prompt === null ? request.brief : null,
    preset: request.preset,
    model: request.model,
    provider: request.provider,
    size: formatSize(request.size),
    quality: request.quality,
    style: request.style,
    background: request.background,
    format: request.format,
    renditions: writtenRenditions(request.renditions),
    ...(request.inputs && { inputs: request.inputs.map(({ source }) => source) }),
    ...(request.mask && { mask: request.mask.source }),
    partials: request.partials ?? 0,
    metadata: request.metadata,
    labels: [...request.labels],
    ttlSeconds: request.ttlSeconds,
    webhookUrl: request.webhookUrl && withoutPath(request.webhookUrl),
  };
}

function withoutPath(text: string): string {
  const url = URL.parse(text);
  return url === null ? HIDDEN : `${url.protocol}//${url.host}/${HIDDEN}`;
}

/** Stands in a record for the path of a URL. */
export const HIDDEN = '…';

/** What callers see of an attempt. The URL of an announced picture may be signed, and stays inside. */
function toAttemptRecord(attempt: Attempt, isRunning: boolean) {
  const { provider, startedAt, durationMs, httpStatus, providerRequestId } = attempt;
  const outcome: ShownOutcome = isOpen(attempt) && isRunning ? 'running' : attempt.outcome;
  return { provider, startedAt, durationMs, outcome, httpStatus, providerRequestId };
}

type FileRecord = ReturnType<typeof toFileRecord>;

function toFileRecord(file: MediaFile, { urls, pathOf }: Pick<Surroundings, 'urls' | 'pathOf'>) {
  return {
    ...urls.ofFile(file),
    path: pathOf(storedNameOf(file)),
    width: file.width,
    height: file.height,
    format: file.format,
    bytes: file.bytes,
    sha256: file.sha256,
  };
}

/** The thumbnail of a succeeded image, also where it is made at its first request. */
function toThumbnailRecord(image: Image, { urls }: Pick<Surroundings, 'urls'>) {
  const { status, mediaId, master, thumbnail } = image;
  if (status !== 'succeeded' || master === null) return null;
  const file = { name: thumbnailName(mediaId), sha256: thumbnail?.sha256 ?? null };
  const { width, height } = thumbnail ?? thumbnailSize(master);
  return { ...urls.ofFile(file, thumbnailContent(image, master)), width, height };
}

/** The renditions in the order of the request, those that are still to be made as pending. One that was given up is left out. */
function toRenditionRecords({ mediaId, request, renditions, pending }: Image, surroundings: Surroundings) {
  return request.renditions.flatMap(
    (spec): ((FileRecord & { status: 'ready' }) | { url: string; status: 'pending' })[] => {
      const name = renditionName(mediaId, spec);
      const file = renditions.find((rendition) => rendition.name === name);
      if (file) return [{ ...toFileRecord(file, surroundings), status: 'ready' }];
      const isPending = pending.some((waiting) => renditionName(mediaId, waiting) === name);
      return isPending ? [{ url: surroundings.urls.ofName(name), status: 'pending' }] : [];
    },
  );
}
