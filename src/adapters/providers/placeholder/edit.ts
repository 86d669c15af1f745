import sharp, { type Sharp } from 'sharp';
import type { Size } from '../../../core/domain/geometry.ts';

/** What an edit starts from: encoded pictures. */
export interface StartingPictures {
  /** The first is painted over, the others are shown small in a corner. */
  readonly inputs: readonly [Uint8Array, ...Uint8Array[]];
  /** Only its transparent parts are painted anew; null for the whole picture. */
  readonly mask: Uint8Array | null;
}

/**
 * The first input at this size with the painting over it: as a tint that lets it shine through, or, with a mask, in the place of what the
 * mask leaves open. Further inputs stand in the lower left corner, so that an edit shows what it was made from.
 */
export async function paintOver(painting: Buffer, size: Size, { inputs, mask }: StartingPictures): Promise<Sharp> {
  const [first, ...others] = inputs;
  const base = await fill(first, size).removeAlpha().png(QUICK).toBuffer();
  const layer =
    mask === null ? { input: painting, blend: 'soft-light' as const } : { input: await maskedBy(mask, painting, size) };
  const side = Math.max(1, Math.floor(Math.min(size.width / Math.max(1, others.length), size.height) / 5));
  const shown = await Promise.all(
    others.map((other) => fill(other, { width: side, height: side }).png(QUICK).toBuffer()),
  );
  const insets = shown.map((input, index) => ({ input, left: index * side, top: size.height - side }));
  // Flattened between: what follows in a pipeline of sharp may come before a composition.
  return sharp(
    await sharp(base)
      .composite([layer, ...insets])
      .png(QUICK)
      .toBuffer(),
  );
}

/** The painting where the mask is transparent, nothing elsewhere. */
async function maskedBy(mask: Uint8Array, painting: Buffer, size: Size): Promise<Buffer> {
  const open = await fill(mask, size)
    .ensureAlpha()
    .extractChannel('alpha')
    .negate()
    .toColourspace('b-w')
    .raw()
    .toBuffer();
  const raw = { ...size, channels: 1 as const };
  // In a step of its own: in one pipeline, sharp would take the joined channel for the alpha to remove.
  const opaque = await sharp(painting).removeAlpha().png(QUICK).toBuffer();
  return await sharp(opaque).joinChannel(open, { raw }).png(QUICK).toBuffer();
}

/** The picture, upright, cut to this size around its centre. */
function fill(picture: Uint8Array, { width, height }: Size): Sharp {
  return sharp(picture).autoOrient().toColourspace('srgb').resize(width, height, { fit: 'cover' });
}

/** For pictures between two steps. */
const QUICK = { compressionLevel: 0 } as const;
