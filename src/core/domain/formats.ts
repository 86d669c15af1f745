import type { Size } from './geometry.ts';

export const MASTER_FORMATS = ['png', 'jpeg', 'webp'] as const;
export type MasterFormat = (typeof MASTER_FORMATS)[number];

export const RENDITION_FORMATS = ['png', 'jpeg', 'webp', 'avif'] as const;
export type RenditionFormat = (typeof RENDITION_FORMATS)[number];

export const QUALITIES = ['auto', 'low', 'medium', 'high', 'xhigh', 'max', 'standard', 'hd'] as const;
export type Quality = (typeof QUALITIES)[number];

export const BACKGROUNDS = ['auto', 'transparent', 'opaque'] as const;
export type Background = (typeof BACKGROUNDS)[number];

export interface RenditionSpec extends Size {
  readonly format: RenditionFormat;
}

/**
 * How a picture is brought to another shape: cut around its middle, around what draws the eye (`attention`) or around
 * where there is most to see (`entropy`), or kept whole before a plain ground (`contain`).
 */
export const CROPS = ['centre', 'attention', 'entropy', 'contain'] as const;
export type CropStrategy = (typeof CROPS)[number];
