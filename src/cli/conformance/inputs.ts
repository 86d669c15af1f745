import type { Inputs } from './case.ts';

/** A picture to edit, of the size that is asked for, and its mask, whose left half is transparent. */
export async function drawInputs(size: string): Promise<Inputs> {
  // Loaded here, not with the command line: `--help` needs no pictures.
  const { default: sharp } = await import('sharp');
  const [width = 0, height = 0] = size.split('x').map(Number);
  const half = Math.floor(width / 2);
  const ground = { width, height, channels: 3, background: '#f0f0f0' } as const;
  const square = { width: half, height: Math.floor(height / 2), channels: 3, background: '#4060a0' } as const;
  const clear = { width, height, channels: 4, background: { r: 0, g: 0, b: 0, alpha: 0 } } as const;
  const kept = { width: width - half, height, channels: 4, background: { r: 0, g: 0, b: 0, alpha: 1 } } as const;
  const [picture, mask] = await Promise.all([
    sharp({ create: ground })
      .composite([{ input: { create: square } }])
      .png()
      .toBuffer(),
    sharp({ create: clear })
      .composite([{ input: { create: kept }, left: half, top: 0 }])
      .png()
      .toBuffer(),
  ]);
  return { picture, mask };
}
