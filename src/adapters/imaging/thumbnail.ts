import sharp from 'sharp';
import { type Crop, type Size, thumbnailSize } from '../../core/domain/geometry.ts';
import type { EncodedFile } from '../../core/ports/imaging.ts';
import { freePixels } from './decode/pixels.ts';
import type { Picture } from './inspect.ts';
import { type Frame, fitToFrame } from './render.ts';

/** Most bytes of a thumbnail, its metadata included. */
export const MAX_THUMBNAIL_BYTES = 60_000;
/** A manifest larger than this would leave too little room for the picture. */
const MAX_MANIFEST_BYTES = 40_000;

/**
 * Qualities of WebP that are tried until the file is small enough: the first does for a photograph, at some 20 kB; noise takes the last.
 * `smooth` blurs what even then is too large, such as noise with noisy alpha.
 */
const STEPS: readonly { readonly quality: number; readonly smooth?: true }[] = [
  { quality: 75 },
  { quality: 55 },
  { quality: 30 },
  { quality: 10 },
  { quality: 1 },
  { quality: 10, smooth: true },
];

interface ThumbnailSpec {
  /** The part of the picture that the master shows, and the size and the fitting of the master. */
  readonly crop: Crop;
  readonly frame: Frame;
  readonly xmp: string;
  /** Adds a manifest; absent where files are not signed. */
  readonly sign?: ((file: EncodedFile) => Promise<EncodedFile>) | undefined;
  /** Runs an operation of sharp, perhaps after a wait in a queue. */
  readonly run: <T>(operation: () => Promise<T>) => Promise<T>;
}

/**
 * Makes the thumbnail of the master, a WebP of at most `MAX_THUMBNAIL_BYTES`. A manifest that leaves no room for the picture is left out;
 * the XMP packet is always there.
 */
export async function makeThumbnail(
  picture: Picture,
  { crop, frame, xmp, sign, run }: ThumbnailSpec,
): Promise<EncodedFile> {
  const size = thumbnailSize(frame);
  // Scaled once, however often it is encoded.
  const { data, info } = await run(() =>
    fitToFrame(picture, crop, { ...frame, ...size })
      .raw()
      .toBuffer({ resolveWithObject: true }),
  );
  const { width, height, channels } = info;
  const pixels: Pixels = { data, width, height, channels: channels === 4 ? 4 : 3 };
  try {
    const plain = await run(() => encode(pixels, xmp, MAX_THUMBNAIL_BYTES));
    if (sign === undefined) return plain;
    const signed = await sign(plain);
    if (signed.bytes.byteLength <= MAX_THUMBNAIL_BYTES) return signed;
    const manifestBytes = signed.bytes.byteLength - plain.bytes.byteLength;
    if (manifestBytes > MAX_MANIFEST_BYTES) return plain;
    const smaller = await run(() => encode(pixels, xmp, MAX_THUMBNAIL_BYTES - manifestBytes));
    const signedAgain = await sign(smaller);
    return signedAgain.bytes.byteLength <= MAX_THUMBNAIL_BYTES ? signedAgain : plain;
  } finally {
    freePixels(data);
  }
}

interface Pixels extends Size {
  readonly data: Buffer;
  readonly channels: 3 | 4;
}

/** The best of the steps that has at most `room` bytes; the last where none has. */
async function encode({ data, width, height, channels }: Pixels, xmp: string, room: number): Promise<EncodedFile> {
  let bytes = Buffer.alloc(0);
  for (const { quality, smooth } of STEPS) {
    const scaled = sharp(data, { raw: { width, height, channels } });
    bytes = await (smooth ? scaled.blur(3) : scaled)
      .webp({ quality, alphaQuality: quality, effort: 2 })
      .withXmp(xmp)
      .toBuffer();
    if (bytes.byteLength <= room) break;
  }
  return { width, height, format: 'webp', bytes };
}
