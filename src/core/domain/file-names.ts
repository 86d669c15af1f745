import { createHash } from 'node:crypto';
import type { MasterFormat, RenditionSpec } from './formats.ts';
import { formatSize } from './geometry.ts';
import { type Image, isFinished, type Original } from './image.ts';

/**
 * Every file name that the image has, had or may yet get. A crash can leave files that the record does not know of,
 * so a removal takes all of these.
 */
export function possibleNames(image: Image): readonly string[] {
  const { mediaId, request } = image;
  const published = [
    masterName(mediaId, request.format),
    ...request.renditions.map((spec) => renditionName(mediaId, spec)),
  ];
  return unique([...publishedNames(image), ...published, ...originalNames(image)]);
}

/**
 * The file names that belong to the image now: all possible ones while it is being made, and only those that its
 * record shows, pending ones included, once it is finished. The original of each attempt belongs to it as long as the
 * record stands: it was paid for.
 */
export function ownedNames(image: Image): readonly string[] {
  if (!isFinished(image.status)) return possibleNames(image);
  return unique([...publishedNames(image), ...originalNames(image)]);
}

function publishedNames({ mediaId, master, renditions, pending }: Image): readonly string[] {
  const files = [master, ...renditions].flatMap((file) => file?.name ?? []);
  return [...files, ...pending.map((spec) => renditionName(mediaId, spec))];
}

function originalNames({ mediaId, original, attempts }: Image): readonly string[] {
  return [...(original ? [original.name] : []), ...attempts.map((attempt) => originalName(mediaId, attempt.id))];
}

function unique(names: readonly string[]): readonly string[] {
  return [...new Set(names)];
}

/** Bytes that the image takes on disk. An original that is also the master is stored once. */
export function storedBytes({ original, master, renditions }: Image): number {
  const files = [original, master, ...renditions].filter((file) => file !== null);
  const distinct = new Map(files.map(({ sha256, bytes }) => [sha256, bytes]));
  return [...distinct.values()].reduce((sum, bytes) => sum + bytes, 0);
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

export function toOriginal(name: string, bytes: Uint8Array): Original {
  return { name, bytes: bytes.byteLength, sha256: sha256(bytes), sound: true };
}

/** In hex. */
export function sha256(bytes: Uint8Array): string {
  return createHash('sha256').update(bytes).digest('hex');
}
