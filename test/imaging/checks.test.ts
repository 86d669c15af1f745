import sharp, { type Sharp } from 'sharp';
import { beforeAll, describe, expect, it } from 'vitest';
import { checkPicture, judge } from '../../src/imaging/checks.ts';
import { readPicture } from '../../src/imaging/inspect.ts';
import { configureSharp } from '../../src/imaging/sharp.ts';

const LIMITS = { bytes: 50_000_000, pixels: 64_000_000, decodeSeconds: 20 };

beforeAll(configureSharp);

describe('judge', () => {
  it.each([
    ['at every threshold', { deviation: 2, entropy: 2, sharpness: 0.5 }, ['ok', 'ok', 'ok']],
    ['just below', { deviation: 1.99, entropy: 1.99, sharpness: 0.49 }, ['reject', 'warn', 'warn']],
    ['below by less than is shown', { deviation: 1.999, entropy: 1.999, sharpness: 0.4999 }, ['ok', 'ok', 'ok']],
  ])('%s', (_name, statistics, verdicts) => {
    const checks = judge(statistics);
    expect(checks.map(({ name }) => name)).toEqual(['uniformity', 'entropy', 'sharpness']);
    expect(checks.map(({ verdict }) => verdict)).toEqual(verdicts);
  });

  it('gives value and threshold as they were compared', () => {
    expect(judge({ deviation: 31.4159, entropy: 7.123, sharpness: 2 })[0]).toEqual({
      name: 'uniformity',
      value: 31.42,
      threshold: 2,
      verdict: 'ok',
    });
  });
});

describe('checkPicture', () => {
  const blank = (colour: string | { r: number; g: number; b: number; alpha: number }, channels: 3 | 4 = 3) =>
    sharp({ create: { width: 1200, height: 700, channels, background: colour } });
  const onCanvas = (background: string, svg: string) =>
    blank(background).composite([{ input: Buffer.from(`<svg width="1200" height="700">${svg}</svg>`) }]);

  it.each([
    ['a white page', () => blank('#fff').png(), 'reject'],
    ['a grey page with the noise of jpeg', () => blank('#777').jpeg({ quality: 30 }), 'reject'],
    ['transparent colours that nobody sees', () => noise(4, 0).png(), 'reject'],
    ['nothing but half-transparent black', () => blank({ r: 0, g: 0, b: 0, alpha: 0.5 }, 4).png(), 'reject'],
    ['noise', () => noise(3, 255).png(), 'ok'],
    ['a small dot', () => onCanvas('#fff', '<circle cx="600" cy="350" r="60"/>').png(), 'ok'],
    ['a pattern as fine as the sample', () => checkerboard(1024), 'ok'],
    ['a black drawing on transparent ground', () => logo('#000').png(), 'ok'],
    ['a white drawing on transparent ground', () => logo('#fff').png(), 'ok'],
  ] as const)('%s', async (_name, make, verdict) => {
    const picture = await readPicture(await make().toBuffer(), LIMITS);
    const checks = await checkPicture(picture);
    expect(checks.find(({ name }) => name === 'uniformity')).toMatchObject({ verdict });
  });

  it('warns of a blurred picture and of one in few colours, and rejects neither', async () => {
    const shapes = onCanvas('#204060', '<rect x="300" width="600" height="700" fill="#d0e0a0"/>');
    const verdicts = async (image: Sharp) => {
      const picture = await readPicture(await image.png().toBuffer(), LIMITS);
      return (await checkPicture(picture)).map(({ name, verdict }) => `${name} ${verdict}`);
    };
    expect(await verdicts(shapes.clone())).toEqual(['uniformity ok', 'entropy warn', 'sharpness ok']);
    const flat = sharp(await shapes.png().toBuffer()).blur(40);
    expect(await verdicts(flat)).toEqual(['uniformity ok', 'entropy ok', 'sharpness warn']);
  });

  function logo(colour: string) {
    const svg = `<svg width="600" height="600"><circle cx="300" cy="300" r="200" fill="${colour}"/></svg>`;
    return sharp(Buffer.from(svg));
  }

  /** Neighbours differ, every second pixel is the same. */
  function checkerboard(side: number) {
    const pixels = Buffer.alloc(side * side);
    for (let at = 0; at < pixels.length; at += 1) pixels[at] = (at + Math.floor(at / side)) % 2 === 0 ? 0 : 255;
    return sharp(pixels, { raw: { width: side, height: side, channels: 1 } }).png();
  }

  /** Colours without an order, all of one alpha. */
  function noise(channels: 3 | 4, alpha: number) {
    const [width, height] = [200, 100];
    const pixels = Buffer.alloc(width * height * channels);
    for (let at = 0; at < pixels.length; at += 1) pixels[at] = at % channels === 3 ? alpha : (at * 7919) % 251;
    return sharp(pixels, { raw: { width, height, channels } });
  }
});
