import { crc32 } from 'node:zlib';
import sharp, { type Sharp } from 'sharp';
import { thumbHashToRGBA } from 'thumbhash';
import { beforeAll, describe, expect, it } from 'vitest';
import { createImaging } from '../../../src/adapters/imaging/finish.ts';
import { configureSharp } from '../../../src/adapters/imaging/sharp.ts';
import { DEFAULT_CHECKS } from '../../../src/core/domain/checks.ts';
import { ImageError } from '../../../src/core/domain/errors.ts';
import { RENDITION_FORMATS, type RenditionFormat } from '../../../src/core/domain/formats.ts';
import type { FinishedFile, FinishSpec } from '../../../src/core/ports/imaging.ts';

const OPTIONS = { checks: DEFAULT_CHECKS, background: '#ffffff' };
const imaging = createImaging(OPTIONS);
const PROVENANCE = {
  mediaId: 'article-42-hero',
  provider: 'openai',
  model: 'gpt-image-2 <beta>',
  createdAt: '2026-11-23T10:11:12.000Z',
  originalSha256: 'ab'.repeat(32),
  prompt: null,
};

beforeAll(configureSharp);

describe('the master', () => {
  it.each([
    ['png', () => stripes(320, 200).png()],
    ['jpeg', () => stripes(320, 200).jpeg()],
    ['webp', () => stripes(320, 200).webp()],
    ['png', () => stripes(320, 200).greyscale().png()],
  ] as const)('is the original itself where that fits (%s)', async (format, make) => {
    const finished = await imaging.finish(await make().toBuffer(), order({ width: 320, height: 200, format }));
    expect(finished.master).toEqual({ width: 320, height: 200, format, bytes: null });
    expect(finished.warnings).toEqual([]);
    expect(new Set(finished.checks.map(({ verdict }) => verdict))).toEqual(new Set(['ok']));
  });

  it.each([
    ['another format', () => stripes(320, 200).jpeg()],
    ['16 bits', () => stripes(320, 200).toColourspace('rgb16').png()],
    ['another profile', () => stripes(320, 200).withIccProfile('p3').png()],
    ['lying on its side', () => stripes(320, 200).rotate(270).withMetadata({ orientation: 6 }).png()],
  ] as const)('is encoded anew where the original does not fit: %s', async (_name, make) => {
    const original = await make().toBuffer();
    const { master, warnings } = await imaging.finish(original, order({ width: 320, height: 200, format: 'png' }));
    const header = await sharp(master.bytes ?? undefined).metadata();
    expect(header).toMatchObject({ format: 'png', width: 320, height: 200, depth: 'uchar', hasProfile: false });
    expect(header.orientation).toBeUndefined();
    // The first stripe is where it was, in its colour.
    const [red = 0, green = 0, blue = 0] = await pixelAt(master.bytes, 10, 100);
    expect(Math.max(Math.abs(red - 200), Math.abs(green - 120), Math.abs(blue - 90))).toBeLessThan(10);
    expect(warnings).toEqual([]);
  });

  it('is cut from the middle and scaled when the original has another shape, with a warning', async () => {
    const original = await halves(400, 400).png().toBuffer();
    const { master, warnings } = await imaging.finish(original, order({ width: 200, height: 100, format: 'png' }));
    expect(await sharp(master.bytes ?? undefined).metadata()).toMatchObject({ width: 200, height: 100 });
    // Rows 100 to 300 of the original: its upper and lower quarter, in other colours, are gone.
    expect(await pixelAt(master.bytes, 100, 2)).toEqual([40, 160, 90]);
    expect(await pixelAt(master.bytes, 100, 97)).toEqual([40, 160, 90]);
    expect(warnings).toEqual([
      { code: 'resized', detail: 'the picture came as 400x400; the middle 400x200 of it became the master of 200x100' },
    ]);
  });

  it('is enlarged with a warning of its own', async () => {
    const { master, warnings } = await imaging.finish(
      await stripes(320, 200).png().toBuffer(),
      order({ width: 480, height: 300, format: 'webp' }),
    );
    expect(await sharp(master.bytes ?? undefined).metadata()).toMatchObject({
      format: 'webp',
      width: 480,
      height: 300,
    });
    expect(warnings).toEqual([
      { code: 'resized', detail: 'the picture came as 320x200; all of it became the master of 480x300' },
      { code: 'enlarged', detail: 'the master is enlarged 1.50 times from 320x200' },
    ]);
  });
});

describe('renditions', () => {
  it('have exactly their sizes and formats, in the order asked for', async () => {
    const renditions = [
      { width: 120, height: 67, format: 'png' },
      { width: 16, height: 300, format: 'jpeg' },
      { width: 300, height: 16, format: 'webp' },
      { width: 77, height: 51, format: 'avif' },
    ] as const;
    const finished = await imaging.finish(
      await stripes(640, 400).png().toBuffer(),
      order({ width: 640, height: 400, format: 'png' }, renditions),
    );
    const found = await Promise.all(
      finished.renditions.map(async (file) => {
        const { width, height, mediaType } = await sharp(file.bytes ?? undefined).metadata();
        return { spec: { width: file.width, height: file.height, format: file.format }, width, height, mediaType };
      }),
    );
    expect(found).toEqual(
      renditions.map((spec) => ({ spec, width: spec.width, height: spec.height, mediaType: `image/${spec.format}` })),
    );
    expect(finished.warnings).toEqual([]);
  });

  it('show what the master shows', async () => {
    const { renditions } = await imaging.finish(
      await halves(400, 400).png().toBuffer(),
      order({ width: 200, height: 100, format: 'png' }, [{ width: 50, height: 50, format: 'png' }]),
    );
    // Of the original's middle square this would be the upper band; of the master it is the middle.
    expect(await pixelAt(renditions[0]?.bytes, 25, 1)).toEqual([40, 160, 90]);
  });

  it('are enlarged with a warning', async () => {
    const { warnings } = await imaging.finish(
      await stripes(320, 200).png().toBuffer(),
      order({ width: 320, height: 200, format: 'png' }, [{ width: 400, height: 200, format: 'png' }]),
    );
    expect(warnings).toEqual([
      { code: 'enlarged', detail: 'the rendition 400x200.png is enlarged 1.25 times from 320x160' },
    ]);
  });

  it('may have more pixels than a master that was scaled down', async () => {
    const { warnings } = await imaging.finish(
      await stripes(640, 400).png().toBuffer(),
      order({ width: 320, height: 200, format: 'png' }, [{ width: 640, height: 400, format: 'png' }]),
    );
    expect(warnings.map(({ code }) => code)).toEqual(['resized']);
  });
});

describe('another shape', () => {
  /** Grey, with a loud square near the right end. */
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
  ] as const)('is cut out by %s, for the master and for its renditions', async (crop, seen) => {
    const { master, renditions } = await imaging.finish(
      await offCentre().toBuffer(),
      order({ width: 200, height: 100, format: 'png' }, [{ width: 100, height: 100, format: 'png' }], { crop }),
    );
    expect(await redShare(master.bytes)).toBeCloseTo(seen ? 0.18 : 0, 1);
    expect(await redShare(renditions[0]?.bytes)).toBeCloseTo(seen ? 0.36 : 0, 1);
    expect(await sharp(master.bytes ?? undefined).metadata()).toMatchObject({ width: 200, height: 100 });
  });

  it.each([
    ['#ff0000', 'png', [255, 0, 0]],
    ['transparent', 'png', [0, 0, 0, 0]],
    ['transparent', 'webp', [0, 0, 0, 0]],
    ['transparent', 'jpeg', [255, 255, 255]],
  ] as const)('is kept whole on a ground that is %s, as %s', async (ground, format, expected) => {
    const { master, warnings } = await createImaging({ ...OPTIONS, background: ground }).finish(
      await stripes(400, 100).png().toBuffer(),
      order({ width: 200, height: 200, format }, [], { crop: 'contain', requested: { width: 400, height: 100 } }),
    );
    expect(await sharp(master.bytes ?? undefined).metadata()).toMatchObject({ width: 200, height: 200 });
    const corner = await pixelAt(master.bytes, 100, 10);
    const far = corner.map((value, channel) => Math.abs(value - (expected[channel] ?? 0)));
    expect(corner).toHaveLength(expected.length);
    expect(Math.max(...far)).toBeLessThan(4);
    expect(Math.max(...(await pixelAt(master.bytes, 12, 100)).slice(0, 3))).toBeGreaterThan(150);
    expect(warnings).toEqual([]);
  });

  it('that is kept whole is enlarged as far as the picture is', async () => {
    const { warnings } = await imaging.finish(
      await stripes(200, 100).png().toBuffer(),
      order({ width: 300, height: 300, format: 'png' }, [], {
        crop: 'contain',
        requested: { width: 200, height: 100 },
      }),
    );
    expect(warnings).toEqual([{ code: 'enlarged', detail: 'the master is enlarged 1.50 times from 200x100' }]);
  });
});

describe('deferred renditions', () => {
  const deferred = [
    { width: 90, height: 90, format: 'avif' },
    { width: 60, height: 20, format: 'webp' },
  ] as const;

  it('are not made with the master, only warned of', async () => {
    const large = { width: 400, height: 200, format: 'avif' } as const;
    const { renditions, warnings } = await imaging.finish(
      await stripes(320, 200).png().toBuffer(),
      order({ width: 320, height: 200, format: 'png' }, [], { deferred: [large] }),
    );
    expect(renditions).toEqual([]);
    expect(warnings.map(({ detail }) => detail)).toEqual([
      'the rendition 400x200.avif is enlarged 1.25 times from 320x160',
    ]);
  });

  it.each(['centre', 'attention', 'contain'] as const)('are what they would have been with it (%s)', async (crop) => {
    const original = await halves(400, 300).png().toBuffer();
    const master = { width: 200, height: 100, format: 'png' } as const;
    const atOnce = await imaging.finish(original, order(master, deferred, { crop }));
    const later: FinishedFile[] = [];
    await imaging.finishDeferred(
      original,
      order(master, [], { crop, deferred }),
      async (file) => void later.push(file),
    );
    expect(later).toEqual(atOnce.renditions);
  });

  it('are handed over one by one, and none is made after one that could not be kept', async () => {
    const original = await stripes(320, 200).png().toBuffer();
    const seen: number[] = [];
    const work = imaging.finishDeferred(
      original,
      order({ width: 320, height: 200, format: 'png' }, [], { deferred }),
      async ({ width }) => {
        seen.push(width);
        throw new Error('disk on fire');
      },
    );
    await expect(work).rejects.toThrow('disk on fire');
    expect(seen).toEqual([90]);
  });
});

describe('the preview', () => {
  it('shows what the master shows, in its shape', async () => {
    const { thumbhash, dominantColour } = await imaging.finish(
      await halves(400, 400).png().toBuffer(),
      order({ width: 200, height: 100, format: 'png' }),
    );
    const { w, h, rgba } = thumbHashToRGBA(Buffer.from(thumbhash, 'base64'));
    expect([w, h]).toEqual([32, 18]);
    const middle = rgba.subarray(4 * (9 * w + 16), 4 * (9 * w + 16) + 4);
    expect(Math.max(...[40, 160, 90, 255].map((value, at) => Math.abs(value - (middle[at] ?? 0))))).toBeLessThan(12);
    expect(dominantColour).toBe('#28a05a');
  });

  it('keeps transparency, and takes no colour from what is not seen', async () => {
    const { thumbhash, dominantColour } = await imaging.finish(
      await ring().png().toBuffer(),
      order({ width: 200, height: 200, format: 'png' }),
    );
    const { rgba } = thumbHashToRGBA(Buffer.from(thumbhash, 'base64'));
    expect(rgba[3]).toBeLessThan(80);
    expect(dominantColour).toBe('#cc3333');
  });
});

describe('transparency', () => {
  it.each([
    ['png', 0],
    ['webp', 0],
    ['avif', 0],
    ['jpeg', 255],
  ] as const)('in a %s', async (format, expected) => {
    const finished = await imaging.finish(
      await ring().png().toBuffer(),
      order({ width: 200, height: 200, format: 'png' }, [{ width: 100, height: 100, format }]),
    );
    const corner = await pixelAt(finished.renditions[0]?.bytes, 2, 2);
    expect(corner.at(-1)).toBe(expected);
    expect(corner).toHaveLength(format === 'jpeg' ? 3 : 4);
  });

  it('is left out where there is none', async () => {
    const finished = await imaging.finish(
      await stripes(320, 200).ensureAlpha().png().toBuffer(),
      order({ width: 160, height: 100, format: 'png' }),
    );
    expect(await sharp(finished.master.bytes ?? undefined).metadata()).toMatchObject({ hasAlpha: false });
  });
});

describe('provenance', () => {
  const encode = async (original: Buffer, format: RenditionFormat) => {
    const finished = await imaging.finish(
      original,
      order({ width: 320, height: 200, format: 'png' }, [{ width: 160, height: 100, format }]),
    );
    return { master: finished.master, bytes: Buffer.from(finished.renditions[0]?.bytes ?? []) };
  };

  it.each(RENDITION_FORMATS)('is written into every %s', async (format) => {
    const { bytes } = await encode(await stripes(320, 200).png().toBuffer(), format);
    const xmp = (await sharp(bytes).metadata()).xmpAsString ?? '';
    expect(xmp).toContain('digitalsourcetype/trainedAlgorithmicMedia<');
    expect(xmp).toContain('>gpt-image-2 &lt;beta&gt;<');
    expect(xmp).toContain('>article-42-hero<');
    expect(xmp).toContain(`sha256:${'ab'.repeat(32)}`);
  });

  it.each(RENDITION_FORMATS)('takes a C2PA manifest that is no longer true out of a %s', async (format) => {
    const signed = withManifest(await stripes(320, 200).png().toBuffer());
    expect(signed.includes('c2pa')).toBe(true);
    const { master, bytes } = await encode(signed, format);
    expect(master.bytes).toBeNull();
    expect(bytes.includes('c2pa')).toBe(false);
    expect(bytes.includes('caBX')).toBe(false);
  });

  it("does not carry the original's own metadata into new files", async () => {
    const original = await stripes(320, 200)
      .withExif({ IFD0: { Artist: 'somebody' } })
      .png()
      .toBuffer();
    const { bytes } = await encode(original, 'jpeg');
    expect((await sharp(bytes).metadata()).exif).toBeUndefined();
  });
});

describe('refusals', () => {
  it('of a blank picture carries what the checks found', async () => {
    const blank = await sharp({ create: { width: 320, height: 200, channels: 3, background: '#abc' } })
      .png()
      .toBuffer();
    const error = await imaging
      .finish(blank, order({ width: 320, height: 200, format: 'png' }))
      .catch((reason: unknown) => reason);
    expect(error).toBeInstanceOf(ImageError);
    expect(error).toMatchObject({
      code: 'invalid_image',
      message: 'the picture did not pass its checks: uniformity is 0, below 2',
      checks: expect.arrayContaining([{ name: 'uniformity', value: 0, threshold: 2, verdict: 'reject' }]),
    });
  });

  it('do not hold up the pictures behind them', async () => {
    const narrow = createImaging({ ...OPTIONS, concurrency: 1 });
    const good = await stripes(320, 200).png().toBuffer();
    const wish = order({ width: 160, height: 100, format: 'png' });
    const outcomes = await Promise.allSettled([
      narrow.finish(Buffer.from('<html>'), wish),
      narrow.finish(good.subarray(0, 200), wish),
      narrow.finish(good, wish),
    ]);
    expect(outcomes.map(({ status }) => status)).toEqual(['rejected', 'rejected', 'fulfilled']);
  });

  it('follow the limits given', async () => {
    const strict = createImaging({ ...OPTIONS, limits: { pixels: 320 * 200 - 1 } });
    const good = await stripes(320, 200).png().toBuffer();
    await expect(strict.finish(good, order({ width: 320, height: 200, format: 'png' }))).rejects.toMatchObject({
      code: 'invalid_image',
    });
  });
});

function order(
  master: FinishSpec['master'],
  renditions: FinishSpec['renditions'] = [],
  change: Partial<FinishSpec> = {},
): FinishSpec {
  return { requested: master, master, crop: 'centre', renditions, deferred: [], provenance: PROVENANCE, ...change };
}

/** Eight upright stripes, light and dark, with shading: sharp edges, many shades. */
function stripes(width: number, height: number): Sharp {
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

/** A green band over the middle half, other colours above and below. */
function halves(width: number, height: number): Sharp {
  const band = { create: { width, height: height / 2, channels: 3, background: 'rgb(40,160,90)' } } as const;
  return sharp(
    Buffer.from(
      `<svg width="${width}" height="${height}"><rect width="100%" height="50%" fill="#e02040"/><rect y="50%" width="100%" height="50%" fill="#2040e0"/></svg>`,
    ),
  )
    .removeAlpha()
    .composite([{ input: band, left: 0, top: height / 4 }]);
}

function ring(): Sharp {
  const svg =
    '<svg width="200" height="200"><circle cx="100" cy="100" r="70" fill="#c33" stroke="#36c" stroke-width="20"/></svg>';
  return sharp(Buffer.from(svg));
}

/** The same png with a `caBX` chunk, where C2PA keeps its manifest, behind the header. */
function withManifest(png: Buffer): Buffer {
  const body = Buffer.concat([Buffer.from('caBX'), Buffer.from('\0\0\0\x1ejumb c2pa manifest store')]);
  const [length, sum] = [Buffer.alloc(4), Buffer.alloc(4)];
  length.writeUInt32BE(body.length - 4);
  sum.writeUInt32BE(crc32(body));
  return Buffer.concat([png.subarray(0, 33), length, body, sum, png.subarray(33)]);
}

async function pixelAt(bytes: Uint8Array | null | undefined, x: number, y: number): Promise<number[]> {
  const { data, info } = await sharp(bytes ?? undefined)
    .raw()
    .toBuffer({ resolveWithObject: true });
  const at = (y * info.width + x) * info.channels;
  return [...data.subarray(at, at + info.channels)];
}
