import { rgbaToThumbHash } from 'thumbhash';
import type { Crop } from '../../core/domain/geometry.ts';
import type { Picture } from './inspect.ts';
import { type Frame, fitToFrame } from './render.ts';

/** Placeholder for a picture that is still loading. */
interface Preview {
  /** About 25 bytes in base64, see https://evanw.github.io/thumbhash/. */
  readonly thumbhash: string;
  /** The most common colour of the picture, as `#rrggbb`. */
  readonly dominantColour: string;
}

/** Longest side, in pixels, of the copy that is hashed: the hash keeps at most 7 waves a side, and its time grows with the pixels. */
const PREVIEW_SIDE = 48;

/** Makes the preview of `crop` of the picture, fitted to the proportions of `frame`. */
export async function makePreview(picture: Picture, crop: Crop, frame: Frame): Promise<Preview> {
  const scale = PREVIEW_SIDE / Math.max(frame.width, frame.height);
  const size = {
    ...frame,
    width: Math.max(1, Math.round(frame.width * scale)),
    height: Math.max(1, Math.round(frame.height * scale)),
  };
  const { data, info } = await fitToFrame(picture, crop, size)
    .ensureAlpha()
    .raw()
    .toBuffer({ resolveWithObject: true });
  return {
    thumbhash: Buffer.from(rgbaToThumbHash(info.width, info.height, data)).toString('base64'),
    dominantColour: dominantColour(data),
  };
}

/**
 * The mean of the fullest of 4,096 equal cells of the RGB cube, as `#rrggbb`. Pixels with an alpha below 128 do not count; black
 * where no other is left.
 */
function dominantColour(rgba: Buffer): string {
  const cells = new Map<number, { count: number; red: number; green: number; blue: number }>();
  for (let at = 0; at + 3 < rgba.length; at += 4) {
    if ((rgba[at + 3] ?? 0) < 128) continue;
    const [red, green, blue] = [rgba[at] ?? 0, rgba[at + 1] ?? 0, rgba[at + 2] ?? 0];
    const key = ((red >> 4) << 8) | ((green >> 4) << 4) | (blue >> 4);
    const cell = cells.get(key) ?? { count: 0, red: 0, green: 0, blue: 0 };
    cell.count += 1;
    cell.red += red;
    cell.green += green;
    cell.blue += blue;
    if (cell.count === 1) cells.set(key, cell);
  }
  const [fullest] = [...cells.values()].sort((one, other) => other.count - one.count);
  const { count, red, green, blue } = fullest ?? { count: 1, red: 0, green: 0, blue: 0 };
  const mean = [red, green, blue].map((sum) => Math.round(sum / count));
  return `#${Buffer.from(mean).toString('hex')}`;
}
