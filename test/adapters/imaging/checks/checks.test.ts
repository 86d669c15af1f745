import sharp, { type Sharp } from 'sharp';
import { beforeAll, describe, expect, it } from 'vitest';
import { checkPicture } from '../../../../src/adapters/imaging/checks/checks.ts';
import { readPicture } from '../../../../src/adapters/imaging/inspect.ts';
import { configureSharp } from '../../../../src/adapters/imaging/sharp.ts';
import { type CheckName, type CheckPolicy, forEachCheck } from '../../../../src/core/domain/checks.ts';
import type { Size } from '../../../../src/core/domain/geometry.ts';

const LIMITS = { bytes: 50_000_000, pixels: 64_000_000, decodeSeconds: 20 };
const STRICT = forEachCheck(() => 'reject');

beforeAll(configureSharp);

async function check(image: Sharp, policy: CheckPolicy = STRICT, requested?: Size) {
  const picture = await readPicture(await image.toBuffer(), LIMITS);
  return checkPicture(picture, requested ?? picture, policy);
}

/** Names of the checks that the picture fails. */
async function failedChecks(image: Sharp, requested?: Size): Promise<CheckName[]> {
  const checks = await check(image, STRICT, requested);
  return checks.filter(({ verdict }) => verdict !== 'ok').map(({ name }) => name);
}

describe('checkPicture', () => {
  const blank = (colour: string | { r: number; g: number; b: number; alpha: number }, channels: 3 | 4 = 3) =>
    sharp({ create: { width: 1200, height: 700, channels, background: colour } });
  const onCanvas = (background: string, svg: string) =>
    blank(background).composite([{ input: Buffer.from(`<svg width="1200" height="700">${svg}</svg>`) }]);

  it.each([
    ['a white page', () => blank('#fff').png(), 'reject'],
    ['a grey page with JPEG noise', () => blank('#777').jpeg({ quality: 30 }), 'reject'],
    ['noise in fully transparent pixels', () => noise(4, 0).png(), 'reject'],
    ['nothing but half-transparent black', () => blank({ r: 0, g: 0, b: 0, alpha: 0.5 }, 4).png(), 'reject'],
    ['noise', () => noise(3, 255).png(), 'ok'],
    ['a small dot', () => onCanvas('#fff', '<circle cx="600" cy="350" r="60"/>').png(), 'ok'],
    ['a pattern as fine as the sampling', () => checkerboard(1024), 'ok'],
    ['a black drawing on a transparent background', () => logo('#000').png(), 'ok'],
    ['a white drawing on a transparent background', () => logo('#fff').png(), 'ok'],
  ] as const)('judges the uniformity of %s', async (_name, make, verdict) => {
    const checks = await check(make());
    expect(checks.find(({ name }) => name === 'uniformity')).toMatchObject({ verdict });
  });

  const ROOM =
    '<rect x="300" y="90" width="600" height="380" fill="#d0e0a0"/><circle cx="400" cy="300" r="150" fill="#733"/>';
  const drawing = () => onCanvas('#204060', ROOM).png();
  const still = async (image: Sharp) => sharp(await image.png().toBuffer());
  const inBars = async (colour: string, bars: { top?: number; bottom?: number; left?: number; right?: number }) =>
    (await still(drawing())).extend({ ...bars, background: colour }).png();

  it.each<[string, () => Promise<Sharp>, CheckName[]]>([
    ['a drawing in three colours', async () => drawing(), []],
    ['the same blurred', async () => (await still(drawing())).blur(9).png(), ['sharpness']],
    [
      'one sharp subject before a blurred background',
      async () =>
        (await still((await still(drawing())).blur(30)))
          .composite([{ input: Buffer.from(`<svg width="1200" height="700">${ROOM}</svg>`) }])
          .png(),
      [],
    ],
    [
      'a strip along one side, nothing else',
      async () => onCanvas('#123', '<rect width="20" height="700" fill="#fed"/>').png(),
      ['entropy'],
    ],
    ['black bars above and below', () => inBars('#000', { top: 60, bottom: 60 }), ['borders']],
    [
      'the same as a jpeg',
      async () => (await still(await inBars('#000', { top: 60, bottom: 60 }))).jpeg({ quality: 75 }),
      ['borders'],
    ],
    ['white bars left and right', () => inBars('#fff', { left: 90, right: 88 }), ['borders']],
    ['a frame', () => inBars('#aaa', { top: 30, bottom: 30, left: 40, right: 40 }), ['borders']],
    ['a bar on one side only', () => inBars('#000', { top: 60 }), []],
    [
      'bars of two colours',
      async () => (await still(await inBars('#000', { top: 60 }))).extend({ bottom: 60, background: '#fff' }).png(),
      [],
    ],
    [
      'a small shape on a wide page',
      async () => onCanvas('#fff', '<rect x="500" y="250" width="200" height="200" rx="50"/>').png(),
      [],
    ],
  ])('finds the faults of %s', async (_name, make, expected) => {
    expect(await failedChecks(await make())).toEqual(expected);
  });

  it.each<[Size, CheckName[]]>([
    [{ width: 1200, height: 700 }, []],
    [{ width: 1216, height: 704 }, []],
    [{ width: 2400, height: 1400 }, ['size']],
    [{ width: 600, height: 350 }, []],
    [{ width: 700, height: 700 }, ['ratio']],
    [{ width: 700, height: 1200 }, ['size', 'ratio']],
  ])('compares 1200x700 with the requested size $width x $height', async (requested, expected) => {
    expect(await failedChecks(drawing(), requested)).toEqual(expected);
  });

  it('follows the policy, and reports value and threshold', async () => {
    const policy: CheckPolicy = { ...STRICT, uniformity: 'warn', entropy: 'off', sharpness: 'reject' };
    const checks = await check(blank('#abc').png(), policy);
    expect(checks.map(({ name, verdict }) => `${name} ${verdict}`)).toEqual([
      'uniformity warn',
      'sharpness reject',
      'borders ok',
      'size ok',
      'ratio ok',
    ]);
    expect(checks[0]).toEqual({ name: 'uniformity', value: 0, threshold: 2, verdict: 'warn' });
  });

  function logo(colour: string) {
    const svg = `<svg width="600" height="600"><circle cx="300" cy="300" r="200" fill="${colour}"/></svg>`;
    return sharp(Buffer.from(svg));
  }

  /** Neighbouring pixels differ, every second one is the same. */
  function checkerboard(side: number) {
    const pixels = Buffer.alloc(side * side);
    for (let at = 0; at < pixels.length; at += 1) pixels[at] = (at + Math.floor(at / side)) % 2 === 0 ? 0 : 255;
    return sharp(pixels, { raw: { width: side, height: side, channels: 1 } }).png();
  }

  /** Pseudo-random colours, all with the same alpha. */
  function noise(channels: 3 | 4, alpha: number) {
    const [width, height] = [200, 100];
    const pixels = Buffer.alloc(width * height * channels);
    for (let at = 0; at < pixels.length; at += 1) pixels[at] = at % channels === 3 ? alpha : (at * 7919) % 251;
    return sharp(pixels, { raw: { width, height, channels } });
  }
});
