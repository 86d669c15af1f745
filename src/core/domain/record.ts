import { renditionName } from './file-names.ts';
import { formatSize } from './geometry.ts';
import type { Image, MediaFile } from './image.ts';

/** Where a published file is served: `versionedUrl` may be cached for ever. */
export type MediaUrls = (file: MediaFile) => { readonly url: string; readonly versionedUrl: string };

/** The unsigned URL of a file by its name, also of one that is still to be made. */
const urlOf = (name: string) => `/media/${name}`;

/** The URLs as they are where everyone may fetch pictures. */
export const fileUrls: MediaUrls = ({ name, sha256 }) => {
  const url = urlOf(name);
  return { url, versionedUrl: `${url}?v=${sha256.slice(0, 12)}` };
};

/** A published file as callers see it. */
export function toFileRecord(file: MediaFile, urls: MediaUrls) {
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

type RenditionRecord = ReturnType<typeof toFileRecord> | { url: string; status: 'pending' };

/** In the order of the request; one that is made later stands as pending until it is there. */
function toRenditionRecords({ mediaId, request, renditions, pending }: Image, urls: MediaUrls) {
  return request.renditions.flatMap((spec): RenditionRecord[] => {
    const name = renditionName(mediaId, spec);
    const file = renditions.find((rendition) => rendition.name === name);
    if (file) return [toFileRecord(file, urls)];
    const isPending = pending.some((waiting) => renditionName(mediaId, waiting) === name);
    return isPending ? [{ url: urlOf(name), status: 'pending' }] : [];
  });
}

/** The record: the answer of the API, the `done` event and the webhook's `data`. */
export type ImageRecord = ReturnType<typeof toRecord>;

/** The record of an image; `urls` says where its files are, for those who may fetch them. */
export function toRecord(image: Image, urls: MediaUrls) {
  const { request, master } = image;
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
