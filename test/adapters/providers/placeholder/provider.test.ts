import sharp, { type Region } from 'sharp';
import { describe, expect, it } from 'vitest';
import { checkPicture } from '../../../../src/adapters/imaging/checks/checks.ts';
import { readPicture } from '../../../../src/adapters/imaging/inspect.ts';
import { readXmp } from '../../../../src/adapters/provenance/xmp.ts';
import { createPlaceholderProvider } from '../../../../src/adapters/providers/placeholder/provider.ts';
import { forEachCheck } from '../../../../src/core/domain/checks.ts';
import { ALGORITHMIC_MEDIA } from '../../../../src/core/domain/digital-source.ts';
import type { MasterFormat } from '../../../../src/core/domain/formats.ts';
import type { Size } from '../../../../src/core/domain/geometry.ts';
import { CATALOG } from '../../../../src/core/models/catalog.ts';
import type { GenerationCall, Provider } from '../../../../src/core/ports/provider.ts';
import { describeProvider } from '../../../contracts/provider.ts';
import { anInput, bytesOf, colouredInput, type StoredInput } from '../../../support/edit-inputs.ts';
import { callOptions, pictureIn } from '../../../support/generation.ts';
import { paintHere, received } from '../../../support/received.ts';

const EVERY_CHECK = forEachCheck(() => 'reject');
const provider = createPlaceholderProvider({ model: 'of-my-own', catalog: CATALOG, paint: paintHere });

describeProvider(
  'placeholder',
  async () => ({
    provider,
    call: call('a lighthouse', { width: 64, height: 48 }),
    secret: null,
    sent: () => null,
    sentPictures: () => null,
    // Painting starts at once, so the call is in progress as soon as it is made.
    hold: () => Promise.resolve(),
    released: () => Promise.resolve(),
    fail: () => ({ provider, call: call('a lighthouse', { width: 15, height: 48 }) }),
    dispose: () => Promise.resolve(),
  }),
  { faults: [['rejected', null]], shutdownDates: null },
);

describe('the placeholder', () => {
  it('paints the same bytes for the same prompt and size, in another instance too', async () => {
    const size = { width: 320, height: 200 };
    const first = await paint('a lighthouse at dusk', size);
    expect(
      await paint(
        'a lighthouse at dusk',
        size,
        'png',
        createPlaceholderProvider({ model: 'of-my-own', catalog: CATALOG, paint: paintHere }),
      ),
    ).toEqual(first);
    expect(await paint('a lighthouse at dawn', size)).not.toEqual(first);
    expect(await paint('a lighthouse at dusk', { width: 321, height: 200 })).not.toEqual(first);
  });

  it.each([
    [16, 16, 'a lighthouse'],
    [16, 16, 'an orchard'],
    [16, 16, 'glass'],
    [17, 333, 'a lighthouse'],
    [4096, 16, 'a lighthouse'],
    [4096, 16, 'an orchard'],
    [4096, 16, 'glass'],
    [16, 4096, 'glass'],
    [1200, 630, 'an orchard'],
    [1792, 1024, ''],
  ])('paints %ix%i of "%s", opaque, and passes every check', async (width, height, prompt) => {
    const picture = await readPicture(await paint(prompt, { width, height }), LIMITS);
    expect(picture).toMatchObject({ width, height, channels: 3, plain: true });
    const failed = checkPicture(picture, { width, height }, EVERY_CHECK).filter(({ verdict }) => verdict !== 'ok');
    expect(failed).toEqual([]);
  });

  it.each(['png', 'jpeg', 'webp'] as const)('encodes %s', async (format) => {
    const header = await sharp(await paint('tea', { width: 64, height: 48 }, format)).metadata();
    expect(header).toMatchObject({ format, width: 64, height: 48 });
  });

  it.each(['png', 'jpeg', 'webp'] as const)('writes into a %s that it is algorithmic media', async (format) => {
    const { xmp } = await sharp(await paint('tea', { width: 64, height: 48 }, format)).metadata();
    expect(readXmp(String(xmp))).toMatchObject({ digitalSourceType: ALGORITHMIC_MEDIA });
  });

  it('paints a png where no format is requested, and reports no usage', async () => {
    const size = { width: 64, height: 48 };
    const picture = pictureIn(await provider.generate({ ...call('tea', size), format: null }, callOptions()));
    expect((await sharp(picture.bytes).metadata()).format).toBe('png');
    expect(picture).toMatchObject({ revisedPrompt: null, usage: null, httpStatus: null, providerRequestId: null });
  });

  it('tints the picture that an edit starts from, and shows the others: the same bytes for the same pictures', async () => {
    const [red, blue] = [await colouredInput({ r: 220, g: 30, b: 30 }), await colouredInput({ r: 30, g: 30, b: 220 })];
    const size = { width: 320, height: 200 };
    const ofRed = await edit(size, [red]);
    expect(Buffer.compare(await edit(size, [red]), ofRed)).toBe(0);
    const [r = 0, , b = 0] = (await sharp(ofRed).stats()).channels.map(({ mean }) => mean);
    expect(r).toBeGreaterThan(2 * b);
    expect((await sharp(ofRed).metadata()).width).toBe(320);
    const ofBoth = await edit(size, [red, blue]);
    const corner = await partOf(ofBoth, { left: 2, top: 180, width: 10, height: 10 });
    expect(corner.channels.map(({ mean }) => Math.round(mean))).toEqual([30, 30, 220]);
    expect(Buffer.compare(await edit(size, [blue, red]), ofBoth)).not.toBe(0);
  });

  it('paints anew only what the mask leaves open', async () => {
    const white = await colouredInput({ r: 255, g: 255, b: 255 }, { width: 64, height: 48 });
    const mask = await maskOf({ width: 64, height: 48 }, 32);
    const edited = await edit({ width: 128, height: 96 }, [white], mask);
    const half = (left: number) => partOf(edited, { left, top: 0, width: 56, height: 96 });
    const [kept, painted] = [await half(0), await half(72)];
    expect(kept.channels.every(({ min }) => min > 250)).toBe(true);
    expect(painted.entropy).toBeGreaterThan(2);
  });

  it('accepts any prompt', async () => {
    const prompts = ['', '</svg><script>', '\0', '図'.repeat(32_000)];
    const pictures = await Promise.all(prompts.map((prompt) => paint(prompt, { width: 32, height: 32 })));
    expect(new Set(pictures.map((bytes) => Buffer.from(bytes).toString('base64'))).size).toBe(prompts.length);
  });

  it.each([
    [15, 100],
    [100, 4097],
    [100.5, 100],
    [Number.NaN, 100],
  ])('refuses %dx%d', async (width, height) => {
    await expect(paint('tea', { width, height })).rejects.toMatchObject({ name: 'ProviderError', fault: 'rejected' });
  });

  it.each([
    ['before the call', (controller: AbortController) => controller.abort()],
    ['during the call', (controller: AbortController) => queueMicrotask(() => controller.abort())],
  ])('raises `cancelled` when it is cancelled %s', async (_name, cancel) => {
    const controller = new AbortController();
    cancel(controller);
    const painting = provider.generate(
      call('tea', { width: 64, height: 64 }),
      callOptions({ cancelled: controller.signal }),
    );
    await expect(painting).rejects.toMatchObject({ name: 'ProviderError', fault: 'cancelled', outcome: 'cancelled' });
  });

  it('stands in for listed models and the configured one, with their shutdown dates', () => {
    expect(provider.name).toBe('placeholder');
    for (const id of ['placeholder', 'gpt-image-2', 'of-my-own']) expect(provider.model(id)?.id).toBe('placeholder');
    expect(provider.model('gpt-image-99')).toBeNull();
    expect(provider.model('dall-e-3')).toMatchObject({ shutdownDate: '2026-05-12', successor: 'gpt-image-2' });
  });
});

const LIMITS = { bytes: 50_000_000, pixels: 64_000_000, decodeSeconds: 20 };

async function paint(prompt: string, size: Size, format: MasterFormat = 'png', by: Provider = provider) {
  return pictureIn(await by.generate({ ...call(prompt, size), format }, callOptions())).bytes;
}

function call(prompt: string, size: Size): GenerationCall {
  const model = provider.model('placeholder');
  if (!model) throw new Error('the placeholder has no catalog row');
  return { model, prompt, size, quality: null, style: null, background: null, format: 'png', partialImages: 0 };
}

async function edit(
  size: Size,
  pictures: readonly StoredInput[],
  mask: StoredInput | null = null,
): Promise<Uint8Array> {
  const edit = { inputs: pictures.map(({ input }) => input), mask: mask?.input ?? null };
  const inputBytes = bytesOf(...pictures, ...(mask ? [mask] : []));
  return pictureIn(await provider.generate({ ...call('tea', size), edit }, callOptions({ inputBytes }))).bytes;
}

/** Statistics of a part of the picture: sharp's are of the whole file, whatever is cut out. */
async function partOf(picture: Uint8Array, part: Region) {
  return await sharp(await sharp(picture).extract(part).png().toBuffer()).stats();
}

/** A mask whose left part is opaque. */
async function maskOf({ width, height }: Size, opaque: number): Promise<StoredInput> {
  const clear = { r: 0, g: 0, b: 0, alpha: 0 };
  const block = { create: { width: opaque, height, channels: 4 as const, background: { ...clear, alpha: 1 } } };
  const composed = sharp({ create: { width, height, channels: 4, background: clear } });
  const bytes = Uint8Array.from(
    await composed
      .composite([{ input: block, left: 0, top: 0 }])
      .png()
      .toBuffer(),
  );
  return { input: anInput({ width, height }, { sha256: received(bytes).sha256, bytes: bytes.length }), bytes };
}
