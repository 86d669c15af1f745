import sharp, { type Sharp } from 'sharp';
import type { CropStrategy, RenditionFormat, RenditionSpec } from '../../core/domain/formats.ts';
import type { Crop, Size } from '../../core/domain/geometry.ts';
import type { FinishedFile } from '../../core/ports/imaging.ts';
import type { Picture } from './inspect.ts';

/** The size that a part of a picture is brought to, and how it fills it. */
export interface Frame extends Size {
  /** `contain` lays the part whole before the ground; the others fill the frame with it, edge to edge. */
  readonly crop: CropStrategy;
  /** `#rrggbb` or `transparent`; only seen with `contain`. */
  readonly background: string;
}

/**
 * Encodes one file: `crop` of the picture brought to exactly the size asked for, with `xmp` written in. Alpha is kept
 * where the format has it and laid on white where it does not. Files are sRGB and carry no colour profile, no EXIF
 * and no C2PA manifest, since one that came with the original would be false here.
 */
export async function renderFile(
  picture: Picture,
  crop: Crop,
  frame: Frame & RenditionSpec,
  xmp: string,
): Promise<FinishedFile> {
  const { width, height, format } = frame;
  const opaque = format === 'jpeg' && frame.background === 'transparent';
  let image = fitToFrame(picture, crop, opaque ? { ...frame, background: '#ffffff' } : frame);
  if (picture.transparent && format === 'jpeg') image = image.flatten({ background: 'white' });
  const bytes = await ENCODERS[format](image).withXmp(xmp).toBuffer();
  return { width, height, format, bytes };
}

/** `crop` of the picture as it fills the frame, still to be encoded; with alpha only where something shows through. */
export function fitToFrame(picture: Picture, crop: Crop, frame: Frame): Sharp {
  const { width, height, channels } = picture;
  const { left, top } = crop;
  const image = sharp(picture.pixels, { raw: { width, height, channels } })
    .extract({ left, top, width: crop.width, height: crop.height })
    .resize(frame.width, frame.height, {
      fit: frame.crop === 'contain' ? 'contain' : 'fill',
      background: frame.background === 'transparent' ? '#00000000' : frame.background,
    });
  const shownThrough = picture.transparent || (frame.crop === 'contain' && frame.background === 'transparent');
  return shownThrough ? image : image.removeAlpha();
}

/**
 * Chosen by encoding a collage of photographs at 1200x675 on one core of a small server; time and size of what was
 * taken, and of what sharp does unasked.
 */
export const ENCODERS: Readonly<Record<RenditionFormat, (image: Sharp) => Sharp>> = {
  // 50 ms, 1,390 kB. Unasked, without row filters: 37 ms, 1,949 kB; level 6 with filters: 68 ms, 1,370 kB.
  png: (image) => image.png({ compressionLevel: 3, adaptiveFiltering: true }),
  // 9 ms, 197 kB. mozjpeg's search saves 16% and takes 102 ms.
  jpeg: (image) => image.jpeg({ quality: 85 }),
  // 35 ms, 133 kB. Unasked (effort 4): 73 ms, 129 kB.
  webp: (image) => image.webp({ quality: 80, effort: 2 }),
  // 270 ms, 100 kB. Unasked (effort 4): 3,460 ms, 99 kB.
  avif: (image) => image.avif({ quality: 60, effort: 1 }),
};
