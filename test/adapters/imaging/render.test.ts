import { crc32 } from 'node:zlib';
import sharp from 'sharp';
import { beforeAll, describe, expect, it } from 'vitest';
import { createImaging } from '../../../src/adapters/imaging/finish.ts';
import { configureSharp } from '../../../src/adapters/imaging/sharp.ts';
import { RENDITION_FORMATS, type RenditionFormat } from '../../../src/core/domain/formats.ts';
import { finishSpec, OPTIONS, pixelAt, ring, stripes } from './drawings.ts';

const imaging = createImaging(OPTIONS);

beforeAll(configureSharp);

describe('transparency', () => {
  it.each([
    ['png', 0],
    ['webp', 0],
    ['avif', 0],
    ['jpeg', 255],
  ] as const)('is kept, or composited over white in a format without alpha (%s)', async (format, expected) => {
    const finished = await imaging.finish(
      await ring().png().toBuffer(),
      finishSpec({ width: 200, height: 200, format: 'png' }, [{ width: 100, height: 100, format }]),
    );
    const corner = await pixelAt(finished.renditions[0]?.bytes, 2, 2);
    expect(corner.at(-1)).toBe(expected);
    expect(corner).toHaveLength(format === 'jpeg' ? 3 : 4);
  });

  it('is left out where every pixel is opaque', async () => {
    const finished = await imaging.finish(
      await stripes(320, 200).ensureAlpha().png().toBuffer(),
      finishSpec({ width: 160, height: 100, format: 'png' }),
    );
    expect(await sharp(finished.master.bytes ?? undefined).metadata()).toMatchObject({ hasAlpha: false });
  });
});

describe('provenance', () => {
  const encode = async (original: Buffer, format: RenditionFormat) => {
    const finished = await imaging.finish(
      original,
      finishSpec({ width: 320, height: 200, format: 'png' }, [{ width: 160, height: 100, format }]),
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

  it.each(RENDITION_FORMATS)(
    'does not include the C2PA manifest of the original: a %s carries none',
    async (format) => {
      const signed = withManifest(await stripes(320, 200).png().toBuffer());
      expect(signed.includes('c2pa')).toBe(true);
      const { master, bytes } = await encode(signed, format);
      expect(master.bytes).toBeNull();
      expect(bytes.includes('c2pa')).toBe(false);
      expect(bytes.includes('caBX')).toBe(false);
    },
  );

  it("does not carry the original's own metadata into new files", async () => {
    const original = await stripes(320, 200)
      .withExif({ IFD0: { Artist: 'a photographer' } })
      .png()
      .toBuffer();
    const { bytes } = await encode(original, 'jpeg');
    expect((await sharp(bytes).metadata()).exif).toBeUndefined();
  });
});

/** The png with a `caBX` chunk, which holds C2PA manifests, after its header. */
function withManifest(png: Buffer): Buffer {
  const body = Buffer.concat([Buffer.from('caBX'), Buffer.from('\0\0\0\x1ejumb c2pa manifest store')]);
  const [length, sum] = [Buffer.alloc(4), Buffer.alloc(4)];
  length.writeUInt32BE(body.length - 4);
  sum.writeUInt32BE(crc32(body));
  return Buffer.concat([png.subarray(0, 33), length, body, sum, png.subarray(33)]);
}
