import { rgbaToThumbHash } from 'thumbhash';
import type { Crop } from '../../core/domain/geometry.ts';
import type { Picture } from './inspect.ts';
import { type Frame, fitToFrame } from './render.ts';

/** What can be shown while the picture is on its way. */
export interface Preview {
  /** Some 25 bytes in base64, https://evanw.github.io/thumbhash/. */
  readonly thumbhash: string;
  /** The colour that most of the picture has, as `#rrggbb`. */
  readonly dominantColour: string;
}

/** Longest side of what the preview is made from: the hash keeps at most 7 waves a side, and its time grows with pixels. */
const PREVIEW_SIDE = 48;

/** Makes the preview of what `frame` shows of the picture. */
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

/** The mean of the fullest of 4,096 cells that divide the colours evenly; pixels that can hardly be seen do not count. */
function dominantColour(rgba: Buffer): string {
  const cells = new Map<number, { count: number; red: number; green: number; blue: number }>();
  for (let at = 0; at + 3 < rgba.length; at += 4) {
    const [red = 0, green = 0, blue = 0, alpha = 0] = rgba.subarray(at, at + 4);
    if (alpha < 128) continue;
    const key = ((red >> 4) << 8) | ((green >> 4) << 4) | (blue >> 4);
    const cell = cells.get(key) ?? { count: 0, red: 0, green: 0, blue: 0 };
    cell.count += 1;
    cell.red += red;
    cell.green += green;
    cell.blue += blue;
    cells.set(key, cell);
  }
  const [fullest] = [...cells.values()].sort((one, other) => other.count - one.count);
  const { count, red, green, blue } = fullest ?? { count: 1, red: 0, green: 0, blue: 0 };
  const mean = [red, green, blue].map((sum) => Math.round(sum / count));
  return `#${Buffer.from(mean).toString('hex')}`;
}
