import { setImmediate } from 'node:timers/promises';
import sharp from 'sharp';
import { describe, expect, it, onTestFinished, vi } from 'vitest';
import { freePixels, withoutOpaqueAlpha } from '../../../src/adapters/imaging/decode/pixels.ts';
import { createImaging } from '../../../src/adapters/imaging/finish.ts';
import { finishSpec, OPTIONS, stripes } from './drawings.ts';

describe('withoutOpaqueAlpha', () => {
  // More than two slices, the last one not whole.
  const [width, height] = [1500, 1401];
  const bytesOf = (channels: 3 | 4) => {
    const pixels = Buffer.alloc(channels * width * height);
    for (let pixel = 0; pixel < width * height; pixel += 1) {
      for (let channel = 0; channel < 3; channel += 1)
        pixels[channels * pixel + channel] = (7919 * pixel + channel) % 251;
      if (channels === 4) pixels[4 * pixel + 3] = 255;
    }
    return pixels;
  };

  it('leaves every colour as it is, in the same memory', async () => {
    const rgba = bytesOf(4);
    const rgb = await withoutOpaqueAlpha(rgba);
    expect(rgb?.equals(bytesOf(3))).toBe(true);
    expect(rgb?.buffer).toBe(rgba.buffer);
  });

  it.each([
    ['the first', 0],
    ['one in the middle', 1_000_000],
    ['the last', width * height - 1],
  ])('leaves the picture alone where %s pixel is less than opaque', async (_name, pixel) => {
    const rgba = bytesOf(4);
    rgba[4 * pixel + 3] = 254;
    const before = Buffer.from(rgba);
    expect(await withoutOpaqueAlpha(rgba)).toBeNull();
    expect(rgba.equals(before)).toBe(true);
  });
});

describe('freePixels', () => {
  it('gives the memory of decoded pixels back at once, without a collection of garbage', async () => {
    const decode = async () =>
      sharp({ create: { width: 4000, height: 2500, channels: 3, background: '#345' } })
        .raw()
        .toBuffer();
    const held = await decode();
    const before = process.memoryUsage().external;
    freePixels(held);
    await setImmediate();
    expect(before - process.memoryUsage().external).toBeGreaterThan(29_000_000);
    expect(held).toHaveLength(0);
  });
});

describe('a finished picture', () => {
  it('leaves no pixels for the collection of garbage', async () => {
    const original = await stripes(320, 200).png().toBuffer();
    const freed: number[] = [];
    const transfer = ArrayBuffer.prototype.transfer;
    vi.spyOn(ArrayBuffer.prototype, 'transfer').mockImplementation(function (this: ArrayBuffer, length) {
      freed.push(this.byteLength);
      return transfer.call(this, length);
    });
    onTestFinished(() => void vi.restoreAllMocks());
    await createImaging(OPTIONS).finish(original, finishSpec({ width: 320, height: 200, format: 'png' }));
    expect(freed).toContain(3 * 320 * 200);
  });
});
