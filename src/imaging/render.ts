import sharp, { type Sharp } from 'sharp';
import type { Crop, RenditionFormat, RenditionSpec } from '../images/image.ts';
import type { FinishedFile } from '../images/ports.ts';
import type { Picture } from './inspect.ts';

/**
 * Encodes one file: `crop` of the picture brought to exactly the size asked for, with `xmp` written in. Alpha is kept
 * where the format has it and laid on white where it does not. Files are sRGB and carry no colour profile, no EXIF
 * and no C2PA manifest, since one that came with the original would be false here.
 */
export async function renderFile(
  picture: Picture,
  crop: Crop,
  spec: RenditionSpec,
  xmp: string,
): Promise<FinishedFile> {
  const { width, height, format } = spec;
  const raw = { width: picture.width, height: picture.height, channels: picture.channels };
  const { left, top } = crop;
  let image = sharp(picture.pixels, { raw })
    .extract({ left, top, width: crop.width, height: crop.height })
    .resize(width, height, { fit: 'fill' });
  if (!picture.transparent) image = image.removeAlpha();
  else if (format === 'jpeg') image = image.flatten({ background: 'white' });
  const bytes = await ENCODERS[format](image).withXmp(xmp).toBuffer();
  return { width, height, format, bytes };
}

/**
 * Chosen by encoding a collage of photographs at 1200x675 on one core of a small server; time and size of what was
 * taken, and of what sharp does unasked.
 */
const ENCODERS: Readonly<Record<RenditionFormat, (image: Sharp) => Sharp>> = {
  // 50 ms, 1,390 kB. Unasked, without row filters: 37 ms, 1,949 kB; level 6 with filters: 68 ms, 1,370 kB.
  png: (image) => image.png({ compressionLevel: 3, adaptiveFiltering: true }),
  // 9 ms, 197 kB. mozjpeg's search saves 16% and takes 102 ms.
  jpeg: (image) => image.jpeg({ quality: 85 }),
  // 35 ms, 133 kB. Unasked (effort 4): 73 ms, 129 kB.
  webp: (image) => image.webp({ quality: 80, effort: 2 }),
  // 270 ms, 100 kB. Unasked (effort 4): 3,460 ms, 99 kB.
  avif: (image) => image.avif({ quality: 60, effort: 1 }),
};
