import sharp from 'sharp';
import { texturedPicture } from '../../test/support/pictures.ts';

const GRAIN = 24;

/**
 * A png of 1792x1024 and some 4 MB that is about as hard to decode, scale and encode as a photograph: soft shapes under
 * fine grain. Only the grain differs between calls.
 */
export async function photo(): Promise<Buffer> {
  const size = { width: 1792, height: 1024 };
  const shapes = sharp(await texturedPicture({ ...size, tile: 64 })).blur(24);
  const noise = { type: 'gaussian', mean: 128, sigma: GRAIN } as const;
  const grain = await sharp({ create: { ...size, channels: 3, background: 'black', noise } })
    .png()
    .toBuffer();
  return await shapes
    .composite([{ input: grain, blend: 'soft-light' }])
    .removeAlpha()
    .png({ compressionLevel: 6, adaptiveFiltering: true })
    .toBuffer();
}
