/** A width and a height in pixels. */
export interface Size {
  readonly width: number;
  readonly height: number;
}

/** A rectangle in pixels, inside a picture whose top left corner is 0, 0. */
export interface Crop extends Size {
  readonly left: number;
  readonly top: number;
}

/** `1792x1024`, the notation of sizes in requests, records and file names. */
export function formatSize(size: Size): string {
  return `${size.width}x${size.height}`;
}

/** How far two aspect ratios may differ and count as one shape: 16:9 and 1792x1024 do, 3:2 does not. */
const SHAPE_TOLERANCE = 0.05;

/** Whether the aspect ratios of two sizes differ by 5 % at most. */
export function haveSameShape(a: Size, b: Size): boolean {
  const [left, right] = [a.width * b.height, b.width * a.height];
  return Math.max(left, right) <= Math.min(left, right) * (1 + SHAPE_TOLERANCE);
}

/** The largest centred part of `from` with the aspect ratio of `to`; at least one pixel a side. */
export function coverCrop(from: Size, to: Size): Crop {
  const width = Math.max(1, Math.min(from.width, Math.round((from.height * to.width) / to.height)));
  const height = Math.max(1, Math.min(from.height, Math.round((from.width * to.height) / to.width)));
  return {
    left: Math.floor((from.width - width) / 2),
    top: Math.floor((from.height - height) / 2),
    width,
    height,
  };
}

/** `coverCrop` inside of another crop, in the coordinates of the picture that `outer` lies in. */
export function coverCropWithin(outer: Crop, to: Size): Crop {
  const inner = coverCrop(outer, to);
  return { ...inner, left: outer.left + inner.left, top: outer.top + inner.top };
}

/** The factor by which `crop` is scaled to fill `to`; above 1 it is an enlargement. */
export function enlargement(crop: Size, to: Size): number {
  return Math.max(to.width / crop.width, to.height / crop.height);
}

/** Longest side of a thumbnail, in pixels. */
const THUMBNAIL_SIDE = 480;

/** The size of the thumbnail of a picture: its proportions, and never enlarged. */
export function thumbnailSize({ width, height }: Size): Size {
  const scale = Math.min(1, THUMBNAIL_SIDE / Math.max(width, height));
  return { width: Math.max(1, Math.round(width * scale)), height: Math.max(1, Math.round(height * scale)) };
}
