import sharp from 'sharp';
import { describe, expect, it } from 'vitest';
import { checkPicture } from '../../../../src/adapters/imaging/checks.ts';
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
import { callOptions, pictureIn } from '../../../support/generation.ts';
import { paintHere } from '../../../support/received.ts';

const EVERY_CHECK = forEachCheck(() => 'reject');
const provider = createPlaceholderProvider({ model: 'of-my-own', catalog: CATALOG, paint: paintHere });

describeProvider(
  'placeholder',
  async () => ({
    provider,
    call: call('a lighthouse', { width: 64, height: 48 }),
    secret: null,
    sent: () => null,
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
