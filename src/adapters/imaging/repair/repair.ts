import type { PictureFormat } from '../container.ts';
import type { Strictness } from '../decode/decoder.ts';
import { repairJpeg } from './jpeg.ts';
import { repairPng } from './png.ts';
import { repairTiff } from './tiff.ts';
import { repairWebp } from './webp.ts';

/** Bytes that the decoder may take, and how strict it may be with them. */
export interface Candidate {
  readonly bytes: Buffer;
  readonly failOn: Strictness;
}

/**
 * Ways to read a picture that the strict decoder refused for `reason`: only what stands around the pixels is put right, and what
 * the decoder then finds in the pixels still counts, so a picture with rows missing stays refused. May be empty.
 *
 * GIF needs no repair: the decoder asks for every row, and for nothing behind the last one. AVIF has none.
 */
export function findRepairs(format: PictureFormat, picture: Buffer, reason: string): readonly Candidate[] {
  switch (format) {
    case 'jpeg':
      return repairJpeg(picture, reason).map(strictly);
    case 'png':
      return repairPng(picture).map(strictly);
    case 'webp':
      return repairWebp(picture).map(strictly);
    case 'tiff':
      return repairTiff(picture).map((bytes) => ({ bytes, failOn: 'error' }));
    default:
      return [];
  }
}

function strictly(bytes: Buffer): Candidate {
  return { bytes, failOn: 'warning' };
}
