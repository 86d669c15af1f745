import { describe, expect, expectTypeOf, test } from 'vitest';
import type { z } from 'zod';
import { createImage } from '../../src/api/create-image.ts';
import { imageRecord } from '../../src/api/image-record.ts';
import type { Image } from '../../src/core/domain/image.ts';
import type { Input } from '../../src/core/domain/input.ts';
import type { ImageRecord } from '../../src/core/domain/record.ts';
import { exampleImage, exampleRecord } from '../support/app/fake-images.ts';

/** The type without `readonly`, which makes no difference on the wire. */
type Writable<T> = T extends object ? { -readonly [Key in keyof T]: Writable<T[Key]> } : T;

const SHA256 = 'a'.repeat(64);
const input = (source: Input['source']): Input => ({
  sha256: SHA256,
  bytes: 3,
  format: 'png',
  width: 16,
  height: 16,
  source,
});

describe('the record', () => {
  test('has the same type in the core and in the contract', () => {
    expectTypeOf<Writable<z.output<typeof imageRecord>>>().toEqualTypeOf<Writable<ImageRecord>>();
  });

  const bare: Partial<Image> = {
    master: null,
    renditions: [],
    thumbhash: null,
    checks: [],
    attempts: [],
    warnings: [],
    completedAt: null,
    cost: { usd: null, basis: 'unknown' },
  };
  test.each<[string, Partial<Image>]>([
    ['succeeded', {}],
    ['queued', { ...bare, status: 'queued' }],
    ['failed', { ...bare, status: 'failed', error: { code: 'provider_failed', detail: 'no' } }],
    ['failed without a call', { ...bare, status: 'failed', cost: { usd: 0, basis: 'none' } }],
    [
      'made of inputs',
      {
        request: {
          ...exampleImage().request,
          inputs: [input({ mediaId: 'a' }), input({ url: 'https://a.example/b' })],
          partials: 2,
        },
      },
    ],
    [
      'made with a mask',
      { request: { ...exampleImage().request, inputs: [input({ sha256: SHA256 })], mask: input({ sha256: SHA256 }) } },
    ],
    ['expiring', { expiresAt: '2026-12-23T16:00:00.000Z', revisedPrompt: 'a tall lighthouse' }],
  ])('of a %s image is encoded unchanged', async (_what, change) => {
    const record = await exampleRecord(exampleImage(change));
    expect(imageRecord.encode(record)).toEqual(record);
    // And its request is valid as a body.
    expect(createImage.safeParse(record.request).error).toBeUndefined();
  });
});
