import type { PictureFormat } from '../container.ts';
import type { Strictness } from '../decode/decoder.ts';
import { repairJpeg } from './jpeg.ts';
import { repairPng } from './png.ts';
import { repairTiff } from './tiff.ts';
import { repairWebp } from './webp.ts';

/** Bytes that the decoder may take, and how strict it may be with them. */
export interface Candidate {
  readonly bytes: Uint8Array;
  readonly failOn: Strictness;
}

/**
 * Ways to read a picture that the strict decoder refused for `reason`: only what stands around the pixels is put right, and what
 * the decoder then finds in the pixels still counts, so a picture with rows missing stays refused. May be empty.
 *
 * GIF needs no repair: the decoder asks for every row, and for nothing behind the last one. AVIF has none.
 */
export function findRepairs(format: PictureFormat, picture: Uint8Array, reason: string): readonly Candidate[] {
  const view = Buffer.from(picture.buffer, picture.byteOffset, picture.byteLength);
  switch (format) {
    case 'jpeg':
      return repairJpeg(view, reason).map(strictly);
    case 'png':
      return repairPng(view).map(strictly);
    case 'webp':
      return repairWebp(view).map(strictly);
    case 'tiff':
      return repairTiff(view).map((bytes) => ({ bytes, failOn: 'error' }));
    default:
      return [];
  }
}

function strictly(bytes: Uint8Array): Candidate {
  return { bytes, failOn: 'warning' };
}
