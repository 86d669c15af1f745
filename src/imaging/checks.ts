import sharp, { type Stats } from 'sharp';
import type { Check } from '../images/image.ts';
import type { Picture } from './inspect.ts';

/** Figures of a decoded picture, each over all that can be seen: its colours and, where there is any, its transparency. */
export interface Statistics {
  /** Largest standard deviation of a channel, 0 to 127.5. */
  readonly deviation: number;
  /** Of the grey histogram, in bits, 0 to 8. */
  readonly entropy: number;
  /** Standard deviation of the Laplacian of the grey picture, nine times damped; depends on the picture's size. */
  readonly sharpness: number;
}

interface Rule {
  readonly name: string;
  /** The least value that is ok. */
  readonly threshold: number;
  readonly below: 'warn' | 'reject';
  readonly value: (statistics: Statistics) => number;
}

const RULES: readonly Rule[] = [
  // A blank canvas has 0, with JPEG's noise under 1; a 1% dot of black on white has 25.
  { name: 'uniformity', threshold: 2, below: 'reject', value: ({ deviation }) => deviation },
  // Honest drawings in two flat colours lie below 1, so this one only warns.
  { name: 'entropy', threshold: 2, below: 'warn', value: ({ entropy }) => entropy },
  // Photographs brought to 1792 wide have 0.9 to 8, blurred by a sigma of 8 pixels 0.2 to 0.5.
  { name: 'sharpness', threshold: 0.5, below: 'warn', value: ({ sharpness }) => sharpness },
];

/** Judges a picture by its statistics. */
export function judge(statistics: Statistics): readonly Check[] {
  return RULES.map(({ name, threshold, below, value }) => {
    const rounded = Math.round(value(statistics) * 100) / 100;
    return { name, value: rounded, threshold, verdict: rounded < threshold ? below : 'ok' };
  });
}

/**
 * Judges a picture by a sample of its pixels, and by all of them before it is rejected: a pattern can hide from a
 * regular sample. On 1792x1024 the sample takes 11 ms, the whole 47 ms.
 */
export async function checkPicture(picture: Picture): Promise<readonly Check[]> {
  const checks = judge(await measure(picture, SAMPLE_SIDE));
  const accused = checks.some(({ verdict }) => verdict === 'reject');
  return accused ? judge(await measure(picture, Number.POSITIVE_INFINITY)) : checks;
}

/** Longest side of the sample in pixels. */
const SAMPLE_SIDE = 512;

async function measure(picture: Picture, longestSide: number): Promise<Statistics> {
  const views = picture.transparent
    ? [await view(picture, longestSide, 'colours'), await view(picture, longestSide, 'alpha')]
    : [await view(picture, longestSide, 'colours')];
  return {
    deviation: Math.max(...views.map(({ channels }) => Math.max(...channels.map(({ stdev }) => stdev)))),
    entropy: Math.max(...views.map(({ entropy }) => entropy)),
    sharpness: Math.max(...views.map(({ sharpness }) => sharpness)),
  };
}

/** Colours are seen over black, so that those of fully transparent pixels, which nobody sees, do not count. */
async function view(picture: Picture, longestSide: number, part: 'colours' | 'alpha'): Promise<Stats> {
  const { width, height, channels } = picture;
  let image = sharp(picture.pixels, { raw: { width, height, channels } });
  if (Math.max(width, height) > longestSide) {
    // Picks pixels instead of averaging them: averages would level grain and fine patterns out.
    image = image.resize(longestSide, longestSide, { fit: 'inside', kernel: 'nearest', fastShrinkOnLoad: false });
  }
  image = part === 'alpha' ? image.extractChannel('alpha') : image.flatten({ background: 'black' });
  const { data, info } = await image.raw().toBuffer({ resolveWithObject: true });
  return sharp(data, { raw: { width: info.width, height: info.height, channels: info.channels } }).stats();
}
