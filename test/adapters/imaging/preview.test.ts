import { thumbHashToRGBA } from 'thumbhash';
import { beforeAll, describe, expect, it } from 'vitest';
import { createImaging } from '../../../src/adapters/imaging/finish.ts';
import { configureSharp } from '../../../src/adapters/imaging/sharp.ts';
import { finishSpec, halves, OPTIONS, ring } from './drawings.ts';

const imaging = createImaging(OPTIONS);

beforeAll(configureSharp);

describe('the preview', () => {
  it('shows what the master shows, in the same proportions', async () => {
    const { thumbhash, dominantColour } = await imaging.finish(
      await halves(400, 400).png().toBuffer(),
      finishSpec({ width: 200, height: 100, format: 'png' }),
    );
    const { w, h, rgba } = thumbHashToRGBA(Buffer.from(thumbhash, 'base64'));
    expect([w, h]).toEqual([32, 18]);
    const middle = rgba.subarray(4 * (9 * w + 16), 4 * (9 * w + 16) + 4);
    expect(Math.max(...[40, 160, 90, 255].map((value, at) => Math.abs(value - (middle[at] ?? 0))))).toBeLessThan(12);
    expect(dominantColour).toBe('#28a05a');
  });

  it('keeps transparency, and ignores the colour of transparent pixels', async () => {
    const { thumbhash, dominantColour } = await imaging.finish(
      await ring().png().toBuffer(),
      finishSpec({ width: 200, height: 200, format: 'png' }),
    );
    const { rgba } = thumbHashToRGBA(Buffer.from(thumbhash, 'base64'));
    expect(rgba[3]).toBeLessThan(80);
    expect(dominantColour).toBe('#cc3333');
  });
});
