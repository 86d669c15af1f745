import sharp from 'sharp';
import { beforeAll, describe, expect, it } from 'vitest';
import { createImaging } from '../../../src/adapters/imaging/finish.ts';
import { configureSharp } from '../../../src/adapters/imaging/sharp.ts';
import { finishSpec, OPTIONS, pixelAt, stripes } from './drawings.ts';

const imaging = createImaging(OPTIONS);

beforeAll(configureSharp);

describe('a picture of another shape', () => {
  /** Grey, with a bright square near the right end. */
  const offCentre = () =>
    sharp(
      Buffer.from(
        '<svg width="400" height="100"><rect width="400" height="100" fill="#888"/><path d="M320 20h60v60h-60z" fill="#e11"/><path d="M330 30h20v20h-20z" fill="#ff0"/></svg>',
      ),
    ).png();
  const redShare = async (bytes: Uint8Array | null | undefined) => {
    const { data, info } = await sharp(bytes ?? undefined)
      .removeAlpha()
      .raw()
      .toBuffer({ resolveWithObject: true });
    let red = 0;
    for (let at = 0; at < data.length; at += 3) if ((data[at] ?? 0) > 200 && (data[at + 2] ?? 0) < 60) red += 1;
    return red / (info.width * info.height);
  };

  it.each([
    ['centre', false],
    ['attention', true],
    ['entropy', true],
  ] as const)('is cropped by %s, for the master and for its renditions', async (crop, found) => {
    const { master, renditions } = await imaging.finish(
      await offCentre().toBuffer(),
      finishSpec({ width: 200, height: 100, format: 'png' }, [{ width: 100, height: 100, format: 'png' }], { crop }),
    );
    expect(await redShare(master.bytes)).toBeCloseTo(found ? 0.18 : 0, 1);
    expect(await redShare(renditions[0]?.bytes)).toBeCloseTo(found ? 0.36 : 0, 1);
    expect(await sharp(master.bytes ?? undefined).metadata()).toMatchObject({ width: 200, height: 100 });
  });

  it.each([
    ['#ff0000', 'png', [255, 0, 0]],
    ['transparent', 'png', [0, 0, 0, 0]],
    ['transparent', 'webp', [0, 0, 0, 0]],
    ['transparent', 'jpeg', [255, 255, 255]],
  ] as const)('is shown whole on a background that is %s, as %s', async (background, format, expected) => {
    const { master, warnings } = await createImaging({ ...OPTIONS, containBackground: background }).finish(
      await stripes(400, 100).png().toBuffer(),
      finishSpec({ width: 200, height: 200, format }, [], { crop: 'contain', requested: { width: 400, height: 100 } }),
    );
    expect(await sharp(master.bytes ?? undefined).metadata()).toMatchObject({ width: 200, height: 200 });
    const corner = await pixelAt(master.bytes, 100, 10);
    const far = corner.map((value, channel) => Math.abs(value - (expected[channel] ?? 0)));
    expect(corner).toHaveLength(expected.length);
    expect(Math.max(...far)).toBeLessThan(4);
    expect(Math.max(...(await pixelAt(master.bytes, 12, 100)).slice(0, 3))).toBeGreaterThan(150);
    expect(warnings).toEqual([]);
  });

  it('is enlarged, when shown whole, by the factor in the warning', async () => {
    const { warnings } = await imaging.finish(
      await stripes(200, 100).png().toBuffer(),
      finishSpec({ width: 300, height: 300, format: 'png' }, [], {
        crop: 'contain',
        requested: { width: 200, height: 100 },
      }),
    );
    expect(warnings).toEqual([{ code: 'enlarged', detail: 'the master is enlarged 1.50 times from 200x100' }]);
  });
});
