/**
 * Malicious and damaged files. `FUZZ_SECONDS=600 npx vitest run test/adapters/imaging/hostile.test.ts` fuzzes longer; a failure
 * prints the seed that reproduces it.
 */

import { crc32 } from 'node:zlib';
import fc from 'fast-check';
import sharp, { type Sharp } from 'sharp';
import { beforeAll, describe, expect, it } from 'vitest';
import { createImaging } from '../../../src/adapters/imaging/finish.ts';
import { configureSharp } from '../../../src/adapters/imaging/sharp.ts';
import { NO_CHECKS } from '../../../src/core/domain/checks.ts';
import { TRAINED_ALGORITHMIC_MEDIA } from '../../../src/core/domain/digital-source.ts';
import { ImageError } from '../../../src/core/domain/errors.ts';
import type { FinishSpec } from '../../../src/core/ports/imaging.ts';
import { hugePng, texturedPicture } from '../../support/pictures.ts';
import { LONGEST_WAIT_MS } from '../../support/until.ts';
import { hugeAvif, hugeGif, hugeJpeg, hugeTiff, hugeWebp, pngWithProfile } from './bombs.ts';

const FUZZ_SECONDS = Number(process.env.FUZZ_SECONDS ?? 2);
const WIDTH = 96;
const HEIGHT = 64;
const MEGABYTE = 1024 * 1024;
const imaging = createImaging({ checks: NO_CHECKS, containBackground: '#ffffff' });

beforeAll(configureSharp);

/** The highest memory use of this process so far, in bytes. It never falls. */
const peak = () => process.resourceUsage().maxRSS * 1024;

// Comes first: fuzzing would raise the peak before it.
describe('a small file that claims a huge picture', () => {
  it.each<[string, () => Buffer | Promise<Buffer>, RegExp]>([
    ['png', () => hugePng(), /is 12000x12000, more than 36000000 pixels/],
    ['jpeg', hugeJpeg, /is 65500x65500, more than/],
    ['lossy webp', hugeWebp, /is 16383x16383, more than/],
    ['gif', hugeGif, /is 65535x65535, more than/],
    ['tiff', hugeTiff, /more than|broken/],
    ['avif', hugeAvif, /more than|broken/],
  ])('is refused before memory grows: %s', async (_name, make, message) => {
    const bytes = await make();
    const before = peak();
    const outcome = await imaging.finish(bytes, finishSpec('png')).catch((error: unknown) => error);
    expect(peak() - before).toBeLessThan(24 * MEGABYTE);
    expect(outcome).toBeInstanceOf(ImageError);
    expect((outcome as ImageError).message).toMatch(message);
  });

  it('is accepted where only its colour profile is huge, which is ignored', async () => {
    const bytes = pngWithProfile(200 * MEGABYTE);
    const before = peak();
    const { master } = await imaging.finish(bytes, finishSpec('png'));
    expect(peak() - before).toBeLessThan(24 * MEGABYTE);
    expect((await sharp(master.bytes ?? undefined).metadata()).hasProfile).toBe(false);
  });
});

describe('a damaged file', () => {
  it('is refused as invalid, or becomes complete files: no crash, no hang, no broken picture, no growing memory', {
    timeout: FUZZ_SECONDS * 1000 + 3 * LONGEST_WAIT_MS,
  }, async () => {
    const files = await seeds();
    const before = peak();
    let published = 0;
    let refused = 0;
    await fc.assert(
      fc.asyncProperty(
        fc.nat(files.length - 1),
        fc.array(mutation(files), { minLength: 1, maxLength: 4 }),
        fc.constantFrom('png', 'jpeg', 'webp'),
        async (index, mutations, format) => {
          const bytes = mutations.reduce((file, mutate) => mutate(file), files[index] ?? Buffer.alloc(0));
          const began = process.cpuUsage();
          const outcome = await imaging.finish(bytes, finishSpec(format)).catch((error: unknown) => error);
          const { user, system } = process.cpuUsage(began);
          expect((user + system) / 1000).toBeLessThan(10_000);
          if (outcome instanceof Error) {
            expect(outcome).toBeInstanceOf(ImageError);
            expect(outcome).toMatchObject({
              code: 'invalid_image',
              message: expect.stringMatching(/^the (picture|bytes|\w+ picture) /),
            });
            refused += 1;
            return;
          }
          const { master, renditions } = outcome as Awaited<ReturnType<typeof imaging.finish>>;
          await expectComplete(master.bytes ?? bytes, format, WIDTH, HEIGHT);
          for (const file of renditions) await expectComplete(file.bytes, 'webp', 24, 24);
          published += 1;
        },
      ),
      { numRuns: 1_000_000, interruptAfterTimeLimit: FUZZ_SECONDS * 1000, markInterruptAsFailure: false },
    );
    // Both outcomes must occur, also within the time that a busy machine leaves, or the test shows nothing.
    expect(Math.min(published, refused)).toBeGreaterThan(2);
    expect(peak() - before).toBeLessThan(250 * MEGABYTE);
  });
});

function finishSpec(format: 'png' | 'jpeg' | 'webp'): FinishSpec {
  return {
    requested: { width: WIDTH, height: HEIGHT },
    master: { width: WIDTH, height: HEIGHT, format },
    crop: 'centre',
    renditions: [{ width: 24, height: 24, format: 'webp' }],
    deferred: [],
    provenance: {
      mediaId: 'a',
      provider: 'b',
      model: 'c',
      createdAt: '2026-11-23T10:11:12.000Z',
      originalSha256: 'd',
      digitalSourceType: TRAINED_ALGORITHMIC_MEDIA,
      prompt: null,
    },
  };
}

/** Decodes strictly, and verifies every checksum of a png, since decoders ignore some. */
async function expectComplete(bytes: Uint8Array | null, format: string, width: number, height: number): Promise<void> {
  const view = Buffer.from(bytes ?? []);
  const { data, info } = await sharp(view, { failOn: 'warning' }).raw().toBuffer({ resolveWithObject: true });
  expect({ format: (await sharp(view).metadata()).format, width: info.width, height: info.height }).toEqual({
    format,
    width,
    height,
  });
  expect(data.length).toBe(width * height * info.channels);
  if (format !== 'png') return;
  for (let at = 8; at < view.length; ) {
    const length = view.readUInt32BE(at);
    const name = view.toString('latin1', at + 4, at + 8);
    expect(view.readUInt32BE(at + 8 + length), name).toBe(crc32(view.subarray(at + 4, at + 8 + length)));
    at += 12 + length;
  }
}

/** Valid files of every format and variant, all of the requested size. */
async function seeds(): Promise<Buffer[]> {
  const size = { width: WIDTH, height: HEIGHT };
  const textured = sharp(await texturedPicture({ ...size, seed: 'hostile', tile: 4 }));
  const transparent = sharp(await texturedPicture({ ...size, seed: 'hostile', tile: 4, transparent: true }));
  const frames = [await textured.clone().png().toBuffer(), await textured.clone().negate().png().toBuffer()];
  const animated = () => sharp(frames, { join: { animated: true } });
  const pictures: readonly Sharp[] = [
    textured.clone().png(),
    textured.clone().png({ progressive: true }),
    textured.clone().png({ palette: true }),
    textured.clone().toColourspace('rgb16').png(),
    textured.clone().greyscale().png(),
    textured
      .clone()
      .withIccProfile('p3')
      .withExif({ IFD0: { Artist: 'a photographer' } })
      .png(),
    transparent.clone().png(),
    textured.clone().jpeg(),
    textured.clone().jpeg({ progressive: true }),
    textured.clone().greyscale().jpeg(),
    textured.clone().toColourspace('cmyk').jpeg(),
    textured.clone().withMetadata({ orientation: 6 }).jpeg(),
    textured.clone().webp(),
    textured.clone().webp({ lossless: true }),
    transparent.clone().webp(),
    textured.clone().avif({ effort: 0 }),
    transparent.clone().avif({ effort: 0 }),
    textured.clone().gif(),
    textured.clone().tiff(),
    textured.clone().tiff({ compression: 'lzw' }),
    animated().gif(),
    animated().webp(),
  ];
  return await Promise.all(pictures.map((picture) => picture.toBuffer()));
}

/** One way to damage a file: bytes changed, inserted, removed, duplicated, truncated, or replaced by another file's. */
function mutation(files: readonly Buffer[]): fc.Arbitrary<(file: Buffer) => Buffer> {
  const share = fc.double({ min: 0, max: 1, noNaN: true });
  const at = (file: Buffer, part: number) => Math.floor(part * Math.max(0, file.length - 1));
  const range = fc.tuple(share, fc.nat(200));
  const replaced = (file: Buffer, from: number, length: number, by: Uint8Array) =>
    Buffer.concat([file.subarray(0, from), by, file.subarray(from + length)]);
  return fc.oneof(
    {
      weight: 4,
      arbitrary: fc.tuple(share, fc.nat(255)).map(
        ([part, value]) =>
          (file: Buffer) =>
            replaced(file, at(file, part), 1, Buffer.from([value])),
      ),
    },
    // Lengths and sizes in the header, where wrong values harm a decoder most.
    {
      weight: 3,
      arbitrary: fc
        .tuple(fc.nat(64), fc.constantFrom('00000000', '00000001', '7fffffff', 'ffffffff', '00010000', 'ffff0000'))
        .map(
          ([place, value]) =>
            (file: Buffer) =>
              replaced(file, place, 4, Buffer.from(value, 'hex')),
        ),
    },
    {
      weight: 1,
      arbitrary: fc.tuple(share, fc.uint8Array({ maxLength: 40 })).map(
        ([part, bytes]) =>
          (file: Buffer) =>
            replaced(file, at(file, part), 0, bytes),
      ),
    },
    {
      weight: 1,
      arbitrary: range.map(
        ([part, length]) =>
          (file: Buffer) =>
            replaced(file, at(file, part), length, Buffer.alloc(0)),
      ),
    },
    {
      weight: 1,
      arbitrary: range.map(
        ([part, length]) =>
          (file: Buffer) =>
            replaced(file, at(file, part), 0, file.subarray(at(file, part), at(file, part) + length)),
      ),
    },
    { weight: 1, arbitrary: share.map((part) => (file: Buffer) => file.subarray(0, at(file, part))) },
    {
      weight: 1,
      arbitrary: fc.tuple(share, fc.nat(files.length - 1)).map(
        ([part, other]) =>
          (file: Buffer) =>
            Buffer.concat([
              file.subarray(0, at(file, part)),
              (files[other] ?? file).subarray(at(files[other] ?? file, part)),
            ]),
      ),
    },
  );
}
