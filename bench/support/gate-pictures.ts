/**
 * Synthetic pictures for the quality checks: good ones of the kinds that pipelines ask for, and bad ones of every kind that
 * a check is for. The same seed gives the same bytes.
 */

import sharp, { type Sharp } from 'sharp';
import { createPlaceholderProvider } from '../../src/adapters/providers/placeholder/provider.ts';
import type { CheckName } from '../../src/core/domain/checks.ts';
import { CATALOG } from '../../src/core/models/catalog.ts';
import { callOptions, pictureIn } from '../../test/support/generation.ts';
import { paintHere } from '../../test/support/received.ts';
import {
  clouds,
  colour,
  curves,
  dots,
  fill,
  landscape,
  letterbox,
  mulberry32,
  plain,
  polygon,
  type Random,
  randomInt,
  rendered,
  round,
  SIZE,
  shapes,
  svg,
} from './brushes.ts';

export interface GatePicture {
  readonly name: string;
  readonly bytes: Buffer;
  /** The check that should object; null for a good picture. */
  readonly failingCheck: CheckName | null;
}

const ENCODINGS: readonly ((picture: Sharp) => Sharp)[] = [
  (picture) => picture.png({ compressionLevel: 1 }),
  (picture) => picture.jpeg({ quality: 80 }),
  (picture) => picture.webp({ quality: 75, effort: 0 }),
];

/** Every kind in `seeds` variants, each as png, jpeg and webp. */
export async function* gatePictures(seeds: number): AsyncIterable<GatePicture> {
  const kinds = [
    ...Object.entries(GOOD).map(([name, paint]) => ({ name, failingCheck: null, paint })),
    ...BAD,
  ] as const;
  for (const { name, failingCheck, paint } of kinds) {
    for (let seed = 1; seed <= seeds; seed += 1) {
      const picture = await rendered(await paint(mulberry32(seed * 7919)));
      for (const encoding of ENCODINGS) {
        const bytes = await encoding(picture.clone()).toBuffer();
        // A jpeg has no alpha: an all transparent picture becomes black.
        yield { name, failingCheck, bytes };
      }
    }
  }
}

type Paint = (random: Random) => Promise<Sharp>;

/** Good pictures, hard cases included: dark, misty, in two colours, mostly empty, mostly out of focus. */
const GOOD: Readonly<Record<string, Paint>> = {
  landscape: (random) => landscape(random),
  'night with lamps': async (random) => dots(await clouds(random, [0, 0, 8], [14, 14, 30]), random, 40, '#ffd27a', 8),
  'stars on black': async (random) => dots(plain('#000'), random, 300, '#fff', 2),
  'morning mist': async (random) => landscape(random, { contrast: 0.12, lift: 175 }),
  'subject before a soft ground': async (random) => {
    const ground = (await rendered(await landscape(random))).blur(24);
    const { data } = await (await landscape(random)).resize(520, 520).png().toBuffer({ resolveWithObject: true });
    return rendered(
      ground.composite([{ input: await round(data, 520), left: 300 + randomInt(random, 800), top: 250 }]),
    );
  },
  watercolour: async (random) => (await rendered(shapes(random, 14, 0.6))).blur(2.2),
  'flat vector': async (random) => shapes(random, 9, 1),
  'two flat colours': async (random) => svg(`${fill(colour(random))}${polygon(random, colour(random))}`),
  'line drawing': async (random) => svg(`${fill('#fff')}${curves(random, 12, '#111', 3)}`),
  'icon on flat ground': async (random) =>
    svg(
      `${fill(colour(random))}<circle cx="896" cy="512" r="${200 + randomInt(random, 200)}" fill="#fff"/>` +
        `<rect x="846" y="362" width="100" height="300" rx="40" fill="${colour(random)}"/>`,
    ),
  'product on white': async (random) =>
    svg(
      `<defs><radialGradient id="g"><stop offset="0" stop-color="#fff"/><stop offset="1" stop-color="${colour(random)}"/></radialGradient></defs>` +
        `${fill('#fff')}<ellipse cx="896" cy="800" rx="330" ry="30" fill="#ddd"/><rect x="${620 + randomInt(random, 100)}" y="230" width="480" height="560" rx="90" fill="url(#g)"/>`,
    ),
  'a dot on a page': async (random) =>
    svg(
      `${fill('#f4f1ea')}<circle cx="${200 + randomInt(random, 1400)}" cy="${200 + randomInt(random, 600)}" r="26"/>`,
    ),
  'words on a card': async (random) =>
    svg(
      `${fill('#14324a')}<text x="140" y="${420 + randomInt(random, 200)}" font-family="sans-serif" font-size="170" fill="#fff">OPEN DAY ${randomInt(random, 99)}</text>`,
    ),
  'stripes from side to side': async (random) => {
    const [top, middle] = [colour(random), colour(random)];
    return svg(`${fill(top)}<rect y="341" width="100%" height="342" fill="${middle}"/>${polygon(random, '#fff')}`);
  },
  'horizon in flat colours': async (random) =>
    svg(
      `${fill('#f7c873')}<circle cx="${400 + randomInt(random, 900)}" cy="560" r="140" fill="#e8523f"/><rect y="600" width="100%" height="500" fill="#2a4d69"/>`,
    ),
  'logo on transparent ground': async (random) =>
    svg(`<circle cx="896" cy="512" r="380" fill="${colour(random)}"/>${curves(random, 3, '#fff', 20)}`),
  'soft gradient': async (random) => clouds(random, [40, 60, 140], [240, 150, 120], 1),
  placeholder: async (random) => {
    const provider = createPlaceholderProvider({ model: 'placeholder', catalog: CATALOG, paint: paintHere });
    const model = provider.model('placeholder');
    if (model === null) throw new Error('the placeholder has no model of its own name');
    const none = { quality: null, style: null, background: null, partialImages: 0 };
    const call = { model, prompt: String(random()), size: SIZE, format: 'png', ...none } as const;
    return sharp(pictureIn(await provider.generate(call, callOptions())).bytes);
  },
};

/** Good kinds in which the defects below are visible; a blurred gradient is the same gradient. */
const SPOILED = [
  'landscape',
  'flat vector',
  'words on a card',
  'subject before a soft ground',
  'line drawing',
] as const;

const BAD: readonly { readonly name: string; readonly failingCheck: CheckName; readonly paint: Paint }[] = [
  ...['#000', '#fff', '#7f8c8d', '#c0392b'].map((shade) => ({
    name: `blank ${shade}`,
    failingCheck: 'uniformity' as const,
    paint: async () => plain(shade),
  })),
  {
    name: 'grey with faint noise',
    failingCheck: 'uniformity',
    paint: async (random) => clouds(random, [118, 118, 118], [122, 122, 122]),
  },
  { name: 'all transparent', failingCheck: 'uniformity', paint: async () => svg('') },
  {
    name: 'split in two, nothing else',
    failingCheck: 'entropy',
    paint: async (random) => svg(`${fill('#111')}<rect width="40" height="100%" fill="${colour(random)}"/>`),
  },
  ...SPOILED.flatMap((kind) => [
    ...[4, 8, 16].map((sigma) => ({
      name: `${kind}, blurred by ${sigma}`,
      failingCheck: 'sharpness' as const,
      paint: async (random: Random) => (await rendered(await goodPicture(kind, random))).blur(sigma),
    })),
    ...[0.04, 0.12, 0.22].map((share) => ({
      name: `${kind}, bars of ${share * 100}%`,
      failingCheck: 'borders' as const,
      paint: async (random: Random) => letterbox(await goodPicture(kind, random), { bar: share, pillar: 0 }, '#000'),
    })),
    {
      name: `${kind}, white pillars`,
      failingCheck: 'borders' as const,
      paint: async (random: Random) => letterbox(await goodPicture(kind, random), { bar: 0, pillar: 0.21 }, '#fff'),
    },
    {
      name: `${kind}, framed in grey`,
      failingCheck: 'borders' as const,
      paint: async (random: Random) => letterbox(await goodPicture(kind, random), { bar: 0.05, pillar: 0.03 }, '#888'),
    },
  ]),
  {
    name: 'half the size',
    failingCheck: 'size',
    paint: async (random) => (await rendered(await landscape(random))).resize(896, 512),
  },
  {
    name: 'square',
    failingCheck: 'ratio',
    paint: async (random) => (await rendered(await landscape(random))).resize(1792, 1792, { fit: 'fill' }),
  },
];

/** A good picture of the kind, to be spoiled. */
function goodPicture(kind: (typeof SPOILED)[number], random: Random): Promise<Sharp> {
  const paint = GOOD[kind];
  if (!paint) throw new Error(`no kind ${kind}`);
  return paint(random);
}
