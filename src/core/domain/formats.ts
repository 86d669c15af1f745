import { formatSize, type Size } from './geometry.ts';

export const MASTER_FORMATS = ['png', 'jpeg', 'webp'] as const;
export type MasterFormat = (typeof MASTER_FORMATS)[number];

/** The format, for a file that is a master. Raises `TypeError` for one in which no masters are made. */
export function toMasterFormat(format: string): MasterFormat {
  const known = findMasterFormat(format);
  if (known === undefined) throw new TypeError(`there are no masters in ${format}`);
  return known;
}

export function findMasterFormat(format: string): MasterFormat | undefined {
  return MASTER_FORMATS.find((known) => known === format);
}

export const RENDITION_FORMATS = [...MASTER_FORMATS, 'avif'] as const;
export type RenditionFormat = (typeof RENDITION_FORMATS)[number];

/** A requested rendition: its size in pixels and its format. */
export interface RenditionSpec extends Size {
  readonly format: RenditionFormat;
}

/** Renditions as a request names them, such as `1200x675.png`, each once. */
export function writtenRenditions(renditions: readonly RenditionSpec[]): string[] {
  return [...new Set(renditions.map((rendition) => `${formatSize(rendition)}.${rendition.format}`))];
}

/** Qualities of all model generations; `Model.qualities` lists those of one model. */
export const QUALITIES = ['auto', 'low', 'medium', 'high', 'xhigh', 'max', 'standard', 'hd'] as const;
export type Quality = (typeof QUALITIES)[number];

export const BACKGROUNDS = ['auto', 'transparent', 'opaque'] as const;
export type Background = (typeof BACKGROUNDS)[number];

/**
 * How a picture is fitted to another aspect ratio: cropped around its centre, around what draws the eye (`attention`) or around
 * where there is most detail (`entropy`), or kept whole on a plain background (`contain`).
 */
export const CROPS = ['centre', 'attention', 'entropy', 'contain'] as const;
export type CropStrategy = (typeof CROPS)[number];
