import sharp from 'sharp';
import type { CropStrategy } from '../../core/domain/formats.ts';
import { type Crop, coverCropWithin, type Size } from '../../core/domain/geometry.ts';
import type { Picture } from './inspect.ts';

/**
 * Chooses the part of `outer`, itself a part of the picture, that is scaled to the size `to`. `contain` keeps all of it; the
 * other strategies cut out the largest part of the right shape: in the middle, or where libvips finds most attention (edges,
 * saturation, skin) or entropy.
 */
export async function chooseCrop(picture: Picture, outer: Crop, to: Size, strategy: CropStrategy): Promise<Crop> {
  if (strategy === 'contain') return outer;
  const centred = coverCropWithin(outer, to);
  const whole = centred.width === outer.width && centred.height === outer.height;
  if (strategy === 'centre' || whole) return centred;

  // Search in a scaled-down copy, which takes 10 ms: the time grows with the number of pixels, and a small copy is enough.
  const scale = Math.min(1, SEARCH_SIDE / Math.max(outer.width, outer.height));
  const small = (size: Size) => ({
    width: Math.max(1, Math.round(size.width * scale)),
    height: Math.max(1, Math.round(size.height * scale)),
  });
  const { width, height, channels } = picture;
  const { data, info } = await sharp(picture.pixels, { raw: { width, height, channels } })
    .extract(outer)
    .resize({ ...small(outer), fit: 'fill' })
    .raw()
    .toBuffer({ resolveWithObject: true });
  const found = await sharp(data, { raw: { width: info.width, height: info.height, channels: info.channels } })
    .resize({ ...small(centred), fit: 'cover', position: sharp.strategy[strategy] })
    .raw()
    .toBuffer({ resolveWithObject: true });
  const offset = (cut: number | undefined, room: number) =>
    Math.min(room, Math.max(0, Math.round(Math.abs(cut ?? 0) / scale)));
  return {
    ...centred,
    left: outer.left + offset(found.info.cropOffsetLeft, outer.width - centred.width),
    top: outer.top + offset(found.info.cropOffsetTop, outer.height - centred.height),
  };
}

/** Longest side of the copy in which the crop is searched, in pixels. */
const SEARCH_SIDE = 256;
