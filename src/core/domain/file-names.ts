/** The files of an image in the media store: their names, which of them belong to the image, their sizes and checksums. */

import { createHash } from 'node:crypto';
import type { DigitalSourceType } from './digital-source.ts';
import { MASTER_FORMATS, type MasterFormat, RENDITION_FORMATS, type RenditionSpec } from './formats.ts';
import { formatSize } from './geometry.ts';
import { type Image, isFinished, type MediaFile, type Original } from './image.ts';
import { inputsOf } from './request.ts';

export function masterName(mediaId: string, format: MasterFormat): string {
  return `${mediaId}.${format}`;
}

/** `@` is not legal in a mediaId, so no master can have this name. */
export function renditionName(mediaId: string, spec: RenditionSpec): string {
  return `${mediaId}@${formatSize(spec)}.${spec.format}`;
}

/** The name of the thumbnail. No rendition has it: theirs have a size there. */
export function thumbnailName(mediaId: string): string {
  return `${mediaId}@thumb.webp`;
}

/** The name of the original of one attempt. `~` is not legal in a mediaId. */
export function originalName(mediaId: string, attemptId: string): string {
  return `originals/${mediaId}~${attemptId}`;
}

/**
 * Under which names a file is published: its public name, and with `contentNames` a name in the media store that has its checksum in it,
 * such as `x~0123456789abcdef.png` or `x@64x64~0123456789abcdef.webp`: a file of other content never has that, so no process replaces what
 * another has published. `~` is not legal in a mediaId, so no other image has a file of this name.
 */
export function publishedAs(name: string, sha256: string, contentNames: boolean): Pick<MediaFile, 'name' | 'stored'> {
  if (!contentNames) return { name };
  const dot = name.lastIndexOf('.');
  return { name, stored: `${name.slice(0, dot)}~${sha256.slice(0, CHECKSUM_DIGITS)}${name.slice(dot)}` };
}

/** Enough hex digits of a SHA-256 that the few files of one name all differ in them. */
const CHECKSUM_DIGITS = 16;

/** The name of a published file, or of an original, in the media store. */
export function storedNameOf({ name, stored }: Pick<MediaFile, 'name' | 'stored'>): string {
  return stored ?? name;
}

/** True for the stored name of a published file that has its checksum in it. */
export function hasChecksum(name: string): boolean {
  return /^[^/~]+~[^/@~.]+\.[^/@~.]+$/.test(name);
}

/**
 * The mediaId in a name that `masterName`, `renditionName`, `thumbnailName`, `originalName` or `publishedAs` made; null for any other
 * name. Only the records tell whether that image exists and has the file.
 */
export function mediaIdOf(name: string): string | null {
  const original = /^originals\/([^/@~]+)~[^/]+$/.exec(name);
  const rendition = /^([^/@~]+)@[^/@~]+(?:~[^/@~]+)?$/.exec(name);
  const master = /^([^/@~]+)(?:~[^/@~.]+)?\.[^/@~.]+$/.exec(name);
  return (original ?? rendition ?? master)?.[1] ?? null;
}

/** The name of an input. It is named by its content, so that images share it, and no mediaId and no URL leads to it. */
export function inputName(sha256: string): string {
  return `inputs/${sha256}`;
}

/** True for the name of an input, which is removed with the last record that names it. */
export function isInputName(name: string): boolean {
  return name.startsWith('inputs/');
}

/** The names of the inputs and the mask of an image, each once. Other images may have the same ones. */
export function inputNames({ request }: Pick<Image, 'request'>): readonly string[] {
  return unique(inputsOf(request).map(({ sha256 }) => inputName(sha256)));
}

/** A mediaId in a file name: the alphabet that requests are held to, which has no `@` and no `~`. */
const MEDIA_ID = String.raw`[a-z0-9][a-z0-9._-]{0,127}(?<!\.)`;
/** The checksum in the name of a published file, where it has one. */
const CHECKSUM = `(?:~[0-9a-f]{${CHECKSUM_DIGITS}})?`;
const GIVEN_NAMES: readonly RegExp[] = [
  new RegExp(String.raw`^${MEDIA_ID}${CHECKSUM}\.(?:${MASTER_FORMATS.join('|')})$`),
  new RegExp(String.raw`^${MEDIA_ID}@\d+x\d+${CHECKSUM}\.(?:${RENDITION_FORMATS.join('|')})$`),
  new RegExp(`^${MEDIA_ID}@thumb${CHECKSUM}\\.webp$`),
  new RegExp(`^originals/${MEDIA_ID}~[A-Za-z0-9_-]+$`),
  /^inputs\/[0-9a-f]{64}$/,
];

/**
 * True for every name that `masterName`, `renditionName`, `thumbnailName`, `publishedAs`, `originalName` or `inputName` makes. False for a
 * name that Easel cannot have given, whose file was put there by somebody else.
 */
export function isGivenName(name: string): boolean {
  return !name.includes('..') && GIVEN_NAMES.some((pattern) => pattern.test(name));
}

/** True for the name of an original, which was paid for and cannot be made again. */
export function isOriginalName(name: string): boolean {
  return name.startsWith('originals/');
}

/**
 * The file names that belong to the image now. While it is unfinished these are all possible ones; afterwards only those in its
 * record, pending renditions included. The originals of all attempts belong to it as long as the record exists: they were paid for.
 * Its inputs are not among them: `inputNames` has those.
 */
export function ownedNames(image: Image): readonly string[] {
  if (!isFinished(image.status)) return possibleNames(image);
  return unique([...publishedNames(image), ...originalNames(image)]);
}

/**
 * Every file name that the image has, had or may yet get. A deletion removes all of these, since a crash can leave files that are
 * not in the record. Not its inputs, which others may share.
 */
export function possibleNames(image: Image): readonly string[] {
  const { mediaId, request } = image;
  const requested = [
    ...(request.takesAnyShape ? MASTER_FORMATS : [request.format]).map((format) => masterName(mediaId, format)),
    ...request.renditions.map((spec) => renditionName(mediaId, spec)),
    thumbnailName(mediaId),
  ];
  return unique([...publishedNames(image), ...requested, ...originalNames(image), ...(image.leftovers ?? [])]);
}

/** The record's entry for a new original, from its size in bytes and its SHA-256. It counts as sound until its checks reject it. */
export function toOriginal(
  name: string,
  { bytes, sha256 }: Pick<Original, 'bytes' | 'sha256'>,
  digitalSourceType: DigitalSourceType,
): Original {
  return { name, bytes, sha256, sound: true, digitalSourceType };
}

/** SHA-256 in hex. */
export function sha256(bytes: Uint8Array): string {
  return createHash('sha256').update(bytes).digest('hex');
}

/** `sha256`, made off the event loop, which tens of megabytes would hold up. */
export async function sha256OffLoop(bytes: Uint8Array): Promise<string> {
  return Buffer.from(await crypto.subtle.digest('SHA-256', bytes as Uint8Array<ArrayBuffer>)).toString('hex');
}

/** The files that the image publishes: master, renditions and thumbnail, as far as it has them. */
export function publishedFiles({ master, renditions, thumbnail = null }: Image): readonly MediaFile[] {
  return [master, ...renditions, thumbnail].filter((file) => file !== null);
}

function publishedNames(image: Image): readonly string[] {
  const { mediaId, pending } = image;
  return [...publishedFiles(image).map(storedNameOf), ...pending.map((spec) => renditionName(mediaId, spec))];
}

function originalNames({ mediaId, original, attempts }: Image): readonly string[] {
  return [...(original ? [original.name] : []), ...attempts.map((attempt) => originalName(mediaId, attempt.id))];
}

function unique(names: readonly string[]): readonly string[] {
  return [...new Set(names)];
}
