import { renditionName } from './file-names.ts';
import { formatSize } from './geometry.ts';
import {
  ATTEMPT_OUTCOMES,
  type Attempt,
  type AttemptOutcome,
  type Image,
  isOpen,
  type MediaFile,
  shownAttempts,
} from './image.ts';

/** Makes the URLs of a published file: `url` serves its current content, `versionedUrl` names the content and may be cached for ever. */
export type MediaUrls = (file: MediaFile) => { readonly url: string; readonly versionedUrl: string };

/** The unsigned URL of a file by its name, also of one that is still to be made. */
const urlOf = (name: string) => `/media/${name}`;

/** Plain URLs, for public pictures. */
export const fileUrls: MediaUrls = ({ name, sha256 }) => {
  const url = urlOf(name);
  return { url, versionedUrl: `${url}?v=${sha256.slice(0, 12)}` };
};

/** The public record of an image: the answer of the API, the `done` event and the webhook's `data`. */
export type ImageRecord = ReturnType<typeof toRecord>;

/** Makes the public record of an image as it stands now, with the URLs and the running calls of this process. */
export type ToRecord = (image: Image) => ImageRecord;

/** What callers see of how a call ended: `running` while it runs in this process. */
export const SHOWN_OUTCOMES = ['running', ...ATTEMPT_OUTCOMES] as const;
type ShownOutcome = 'running' | AttemptOutcome;

/** Whether the call of an attempt, named by its id, runs in this process. */
interface RunningCalls {
  has(attemptId: string): boolean;
}

/** Creates the function that makes public records, with the file URLs that `urls` makes. */
export function createToRecord(urls: MediaUrls, runningCalls: RunningCalls): ToRecord {
  return (image) => toRecord(image, urls, runningCalls);
}

function toRecord(image: Image, urls: MediaUrls, runningCalls: RunningCalls) {
  const { request, master } = image;
  const { shown, count, cost } = shownAttempts(image);
  const file = master && toFileRecord(master, urls);
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
    renditions: toRenditionRecords(image, urls),
    prompt: image.prompt,
    revisedPrompt: image.revisedPrompt,
    preset: request.preset,
    provider: image.provider,
    model: image.model,
    requestedSize: formatSize(image.requestedSize),
    checks: [...image.checks],
    attempts: shown.map((attempt) => toAttemptRecord(attempt, runningCalls)),
    attemptsOmitted: { count, usd: cost.usd },
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

/** What callers see of an attempt. The URL of an announced picture may be signed, and stays inside. */
function toAttemptRecord(attempt: Attempt, runningCalls: RunningCalls) {
  const { provider, startedAt, durationMs, httpStatus, providerRequestId } = attempt;
  const outcome: ShownOutcome = isOpen(attempt) && runningCalls.has(attempt.id) ? 'running' : attempt.outcome;
  return { provider, startedAt, durationMs, outcome, httpStatus, providerRequestId };
}

type FileRecord = ReturnType<typeof toFileRecord>;

function toFileRecord(file: MediaFile, urls: MediaUrls) {
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

/** The renditions in the order of the request, those that are still to be made as pending. One that was given up is left out. */
function toRenditionRecords({ mediaId, request, renditions, pending }: Image, urls: MediaUrls) {
  return request.renditions.flatMap(
    (spec): ((FileRecord & { status: 'ready' }) | { url: string; status: 'pending' })[] => {
      const name = renditionName(mediaId, spec);
      const file = renditions.find((rendition) => rendition.name === name);
      if (file) return [{ ...toFileRecord(file, urls), status: 'ready' }];
      const isPending = pending.some((waiting) => renditionName(mediaId, waiting) === name);
      return isPending ? [{ url: urlOf(name), status: 'pending' }] : [];
    },
  );
}
