import sharp, { type Sharp } from 'sharp';
import type { CheckPolicy } from '../../../src/core/domain/checks.ts';
import { TRAINED_ALGORITHMIC_MEDIA } from '../../../src/core/domain/digital-source.ts';
import type { FinishSpec } from '../../../src/core/ports/imaging.ts';

/** The options of the imaging under test. */
export const OPTIONS: { readonly checks: CheckPolicy; readonly containBackground: string } = {
  checks: {
    uniformity: 'reject',
    entropy: 'warn',
    sharpness: 'warn',
    borders: 'warn',
    size: 'warn',
    ratio: 'warn',
  },
  containBackground: '#ffffff',
};

/** A spec for a picture that was requested in the size of the master. */
export function finishSpec(
  master: FinishSpec['master'],
  renditions: FinishSpec['renditions'] = [],
  change: Partial<FinishSpec> = {},
): FinishSpec {
  return { requested: master, master, crop: 'centre', renditions, deferred: [], provenance: PROVENANCE, ...change };
}

const PROVENANCE = {
  mediaId: 'article-42-hero',
  provider: 'openai',
  model: 'gpt-image-2 <beta>',
  createdAt: '2026-11-23T10:11:12.000Z',
  originalSha256: 'ab'.repeat(32),
  digitalSourceType: TRAINED_ALGORITHMIC_MEDIA,
  prompt: null,
};

/** Eight vertical stripes, light and dark in turn, with shading: sharp edges and many shades. */
export function stripes(width: number, height: number): Sharp {
  const pixels = Buffer.alloc(width * height * 3);
  for (let y = 0; y < height; y += 1) {
    for (let x = 0; x < width; x += 1) {
      const stripe = Math.floor((8 * x) / width);
      const shade = Math.round((40 * (y - height / 2)) / height) - (stripe % 2 === 0 ? 0 : 70);
      const colour = [200 - 10 * stripe, 120 + 10 * stripe, 90 + 10 * (stripe % 3)];
      pixels.set(
        colour.map((value) => value + shade),
        (y * width + x) * 3,
      );
    }
  }
  return sharp(pixels, { raw: { width, height, channels: 3 } });
}

/** A green band across the middle half, red above it and blue below. */
export function halves(width: number, height: number): Sharp {
  const band = { create: { width, height: height / 2, channels: 3, background: 'rgb(40,160,90)' } } as const;
  return sharp(
    Buffer.from(
      `<svg width="${width}" height="${height}"><rect width="100%" height="50%" fill="#e02040"/><rect y="50%" width="100%" height="50%" fill="#2040e0"/></svg>`,
    ),
  )
    .removeAlpha()
    .composite([{ input: band, left: 0, top: height / 4 }]);
}

/** A disc with an outline on a transparent background. */
export function ring(): Sharp {
  const svg =
    '<svg width="200" height="200"><circle cx="100" cy="100" r="70" fill="#c33" stroke="#36c" stroke-width="20"/></svg>';
  return sharp(Buffer.from(svg));
}

/** The channels of one pixel of an encoded picture. */
export async function pixelAt(bytes: Uint8Array | null | undefined, x: number, y: number): Promise<number[]> {
  const { data, info } = await sharp(bytes ?? undefined)
    .raw()
    .toBuffer({ resolveWithObject: true });
  const at = (y * info.width + x) * info.channels;
  return [...data.subarray(at, at + info.channels)];
}
