/**
 * Made pictures for the quality gate, of kinds that pipelines ask for, and the ways in which a picture can be bad.
 * The same seed gives the same bytes.
 */

import sharp, { type Sharp } from 'sharp';
import { createPlaceholderProvider } from '../src/adapters/providers/placeholder/provider.ts';
import type { CheckName } from '../src/core/domain/checks.ts';
import type { Size } from '../src/core/domain/geometry.ts';
import { CATALOG } from '../src/core/models/catalog.ts';

export const SIZE: Size = { width: 1792, height: 1024 };

export interface GatePicture {
  readonly name: string;
  readonly bytes: Buffer;
  /** The check that ought to object; null for a picture that is fine. */
  readonly fault: CheckName | null;
}

type Random = () => number;
type Paint = (random: Random) => Promise<Sharp>;

/** What people ask for, hard cases among it: dark, misty, in two colours, mostly empty, mostly out of focus. */
const GOOD: Readonly<Record<string, Paint>> = {
  landscape: (random) => landscape(random),
  'night with lamps': async (random) => dots(await clouds(random, [0, 0, 8], [14, 14, 30]), random, 40, '#ffd27a', 8),
  'stars on black': async (random) => dots(plain('#000'), random, 300, '#fff', 2),
  'morning mist': async (random) => landscape(random, { contrast: 0.12, lift: 175 }),
  'subject before a soft ground': async (random) => {
    const ground = (await still(await landscape(random))).blur(24);
    const { data } = await (await landscape(random)).resize(520, 520).png().toBuffer({ resolveWithObject: true });
    return still(ground.composite([{ input: await round(data, 520), left: 300 + floor(random, 800), top: 250 }]));
  },
  watercolour: async (random) => (await still(shapes(random, 14, 0.6))).blur(2.2),
  'flat vector': async (random) => shapes(random, 9, 1),
  'two flat colours': async (random) => svg(`${fill(colour(random))}${polygon(random, colour(random))}`),
  'line drawing': async (random) => svg(`${fill('#fff')}${curves(random, 12, '#111', 3)}`),
  'icon on flat ground': async (random) =>
    svg(
      `${fill(colour(random))}<circle cx="896" cy="512" r="${200 + floor(random, 200)}" fill="#fff"/>` +
        `<rect x="846" y="362" width="100" height="300" rx="40" fill="${colour(random)}"/>`,
    ),
  'product on white': async (random) =>
    svg(
      `<defs><radialGradient id="g"><stop offset="0" stop-color="#fff"/><stop offset="1" stop-color="${colour(random)}"/></radialGradient></defs>` +
        `${fill('#fff')}<ellipse cx="896" cy="800" rx="330" ry="30" fill="#ddd"/><rect x="${620 + floor(random, 100)}" y="230" width="480" height="560" rx="90" fill="url(#g)"/>`,
    ),
  'a dot on a page': async (random) =>
    svg(`${fill('#f4f1ea')}<circle cx="${200 + floor(random, 1400)}" cy="${200 + floor(random, 600)}" r="26"/>`),
  'words on a card': async (random) =>
    svg(
      `${fill('#14324a')}<text x="140" y="${420 + floor(random, 200)}" font-family="sans-serif" font-size="170" fill="#fff">OPEN DAY ${floor(random, 99)}</text>`,
    ),
  'stripes from side to side': async (random) => {
    const [top, middle] = [colour(random), colour(random)];
    return svg(`${fill(top)}<rect y="341" width="100%" height="342" fill="${middle}"/>${polygon(random, '#fff')}`);
  },
  'horizon in flat colours': async (random) =>
    svg(
      `${fill('#f7c873')}<circle cx="${400 + floor(random, 900)}" cy="560" r="140" fill="#e8523f"/><rect y="600" width="100%" height="500" fill="#2a4d69"/>`,
    ),
  'logo on transparent ground': async (random) =>
    svg(`<circle cx="896" cy="512" r="380" fill="${colour(random)}"/>${curves(random, 3, '#fff', 20)}`),
  'soft gradient': async (random) => clouds(random, [40, 60, 140], [240, 150, 120], 1),
  placeholder: async (random) => {
    const provider = createPlaceholderProvider({ model: 'placeholder', catalog: CATALOG });
    const model = provider.model('placeholder');
    if (model === null) throw new Error('the placeholder knows itself');
    const call = { model, prompt: String(random()), size: SIZE, quality: null, style: null, background: null } as const;
    const { bytes } = await provider.generate({ ...call, format: 'png' }, { signal: new AbortController().signal });
    return sharp(bytes);
  },
};

/** Good kinds in which the faults below can show; a blurred gradient is the same gradient. */
const SPOILED = [
  'landscape',
  'flat vector',
  'words on a card',
  'subject before a soft ground',
  'line drawing',
] as const;

const BAD: readonly { readonly name: string; readonly fault: CheckName; readonly paint: Paint }[] = [
  ...['#000', '#fff', '#7f8c8d', '#c0392b'].map((shade) => ({
    name: `blank ${shade}`,
    fault: 'uniformity' as const,
    paint: async () => plain(shade),
  })),
  {
    name: 'grey with faint noise',
    fault: 'uniformity',
    paint: async (random) => clouds(random, [118, 118, 118], [122, 122, 122]),
  },
  { name: 'all transparent', fault: 'uniformity', paint: async () => svg('') },
  {
    name: 'split in two, nothing else',
    fault: 'entropy',
    paint: async (random) => svg(`${fill('#111')}<rect width="40" height="100%" fill="${colour(random)}"/>`),
  },
  ...SPOILED.flatMap((kind) => [
    ...[4, 8, 16].map((sigma) => ({
      name: `${kind}, blurred by ${sigma}`,
      fault: 'sharpness' as const,
      paint: async (random: Random) => (await still(await made(kind, random))).blur(sigma),
    })),
    ...[0.04, 0.12, 0.22].map((share) => ({
      name: `${kind}, bars of ${share * 100}%`,
      fault: 'borders' as const,
      paint: async (random: Random) => letterbox(await made(kind, random), { bar: share, pillar: 0 }, '#000'),
    })),
    {
      name: `${kind}, white pillars`,
      fault: 'borders' as const,
      paint: async (random: Random) => letterbox(await made(kind, random), { bar: 0, pillar: 0.21 }, '#fff'),
    },
    {
      name: `${kind}, framed in grey`,
      fault: 'borders' as const,
      paint: async (random: Random) => letterbox(await made(kind, random), { bar: 0.05, pillar: 0.03 }, '#888'),
    },
  ]),
  {
    name: 'half the size',
    fault: 'size',
    paint: async (random) => (await still(await landscape(random))).resize(896, 512),
  },
  {
    name: 'square',
    fault: 'ratio',
    paint: async (random) => (await still(await landscape(random))).resize(1792, 1792, { fit: 'fill' }),
  },
];

const ENCODINGS: readonly ((picture: Sharp) => Sharp)[] = [
  (picture) => picture.png({ compressionLevel: 1 }),
  (picture) => picture.jpeg({ quality: 80 }),
  (picture) => picture.webp({ quality: 75, effort: 0 }),
];

/** Every kind in `seeds` variants, each as png, jpeg and webp. */
export async function* gatePictures(seeds: number): AsyncIterable<GatePicture> {
  const kinds = [...Object.entries(GOOD).map(([name, paint]) => ({ name, fault: null, paint })), ...BAD] as const;
  for (const { name, fault, paint } of kinds) {
    for (let seed = 1; seed <= seeds; seed += 1) {
      const picture = await still(await paint(mulberry32(seed * 7919)));
      for (const encoding of ENCODINGS) {
        const bytes = await encoding(picture.clone()).toBuffer();
        // A jpeg has no alpha: nothing is left of a picture that was all transparent but its white ground.
        yield { name, fault, bytes };
      }
    }
  }
}

// --------------------------------------------------------------- brushes

/** Mountains in light: fractal noise as height, lit from the left, under a sky. */
async function landscape(random: Random, { contrast = 1, lift = 0 } = {}): Promise<Sharp> {
  const { width, height } = SIZE;
  const ground = await fractal(random, [6, 14, 40, 120, 400]);
  const pixels = Buffer.alloc(width * height * 3);
  const horizon = height * (0.3 + 0.2 * random());
  for (let y = 0; y < height; y += 1) {
    for (let x = 0; x < width; x += 1) {
      const here = ground[y * width + x] ?? 0;
      const slope = here - (ground[y * width + Math.max(0, x - 2)] ?? 0);
      const ridge = horizon + 160 * ((ground[x] ?? 0.5) - 0.5);
      const shade = y < ridge ? 190 + (40 * y) / ridge : Math.min(230, Math.max(8, 90 + 900 * slope + 60 * here));
      const at = (y * width + x) * 3;
      const colours = y < ridge ? [shade * 0.75, shade * 0.85, shade] : [shade * 0.8, shade * 0.9, shade * 0.55];
      for (const [channel, value] of colours.entries()) pixels[at + channel] = Math.min(255, lift + contrast * value);
    }
  }
  return sharp(pixels, { raw: { width, height, channels: 3 } });
}

/** Soft change from one colour to another. */
async function clouds(random: Random, from: readonly number[], to: readonly number[], octaves = 3): Promise<Sharp> {
  const { width, height } = SIZE;
  const noise = await fractal(random, [2, 9, 30].slice(0, octaves));
  const pixels = Buffer.alloc(width * height * 3);
  for (let index = 0; index < noise.length; index += 1) {
    for (let channel = 0; channel < 3; channel += 1) {
      const [low = 0, high = 0] = [from[channel], to[channel]];
      pixels[index * 3 + channel] = Math.round(low + (high - low) * (noise[index] ?? 0));
    }
  }
  return sharp(pixels, { raw: { width, height, channels: 3 } });
}

/** Noise of several scales, each half as strong as the one before, 0 to 1. */
async function fractal(random: Random, cells: readonly number[]): Promise<Float32Array> {
  const { width, height } = SIZE;
  const sum = new Float32Array(width * height);
  let weight = 1;
  let total = 0;
  for (const columns of cells) {
    const rows = Math.max(2, Math.round((columns * height) / width));
    const grid = Buffer.from(Array.from({ length: columns * rows }, () => floor(random, 256)));
    const layer = await sharp(grid, { raw: { width: columns, height: rows, channels: 1 } })
      .resize(width, height, { fit: 'fill', kernel: 'cubic' })
      .extractChannel(0)
      .raw()
      .toBuffer();
    for (let at = 0; at < sum.length; at += 1) sum[at] = (sum[at] ?? 0) + (weight * (layer[at] ?? 0)) / 255;
    total += weight;
    weight /= 2;
  }
  return sum.map((value) => value / total);
}

async function dots(ground: Sharp, random: Random, count: number, shade: string, radius: number): Promise<Sharp> {
  const circles = Array.from(
    { length: count },
    () =>
      `<circle cx="${floor(random, 1792)}" cy="${floor(random, 1024)}" r="${radius * (0.5 + random())}" fill="${shade}"/>`,
  );
  return (await still(ground)).composite([{ input: Buffer.from(page(circles.join(''))) }]);
}

function shapes(random: Random, count: number, opacity: number): Sharp {
  const parts = Array.from({ length: count }, () => polygon(random, colour(random), opacity));
  return svg(fill(colour(random)) + parts.join(''));
}

function polygon(random: Random, shade: string, opacity = 1): string {
  const points = Array.from({ length: 5 }, () => `${floor(random, 1792)},${floor(random, 1024)}`);
  return `<polygon points="${points.join(' ')}" fill="${shade}" fill-opacity="${opacity}"/>`;
}

function curves(random: Random, count: number, shade: string, width: number): string {
  const point = () => `${floor(random, 1792)} ${floor(random, 1024)}`;
  return Array.from(
    { length: count },
    () =>
      `<path d="M${point()} C${point()} ${point()} ${point()}" fill="none" stroke="${shade}" stroke-width="${width}"/>`,
  ).join('');
}

async function letterbox(
  picture: Sharp,
  { bar, pillar }: { readonly bar: number; readonly pillar: number },
  background: string,
): Promise<Sharp> {
  const [top, left] = [Math.round(bar * SIZE.height), Math.round(pillar * SIZE.width)];
  const inner = await picture
    .flatten({ background: '#fff' })
    .resize(SIZE.width - 2 * left, SIZE.height - 2 * top)
    .png({ compressionLevel: 0 })
    .toBuffer();
  return sharp(inner).extend({ top, bottom: top, left, right: left, background });
}

async function round(picture: Buffer, side: number): Promise<Buffer> {
  const mask = `<svg width="${side}" height="${side}"><circle cx="${side / 2}" cy="${side / 2}" r="${side / 2}"/></svg>`;
  return await sharp(picture)
    .ensureAlpha()
    .composite([{ input: Buffer.from(mask), blend: 'dest-in' }])
    .png()
    .toBuffer();
}

const made = (kind: (typeof SPOILED)[number], random: Random): Promise<Sharp> => {
  const paint = GOOD[kind];
  if (!paint) throw new Error(`no kind ${kind}`);
  return paint(random);
};

const plain = (background: string) => sharp({ create: { ...SIZE, channels: 3, background } });
const page = (content: string) =>
  `<svg xmlns="http://www.w3.org/2000/svg" width="${SIZE.width}" height="${SIZE.height}">${content}</svg>`;
const svg = (content: string) => sharp(Buffer.from(page(content)));
const fill = (shade: string) => `<rect width="100%" height="100%" fill="${shade}"/>`;
const floor = (random: Random, below: number) => Math.floor(random() * below);
const colour = (random: Random) => `hsl(${floor(random, 360)}, ${30 + floor(random, 60)}%, ${20 + floor(random, 60)}%)`;

/** sharp orders its steps by itself: what was done has to be done before the next is added. */
async function still(picture: Sharp): Promise<Sharp> {
  return sharp(await picture.png({ compressionLevel: 0 }).toBuffer());
}

/** Numbers from 0 to 1 that follow from the seed alone. */
function mulberry32(seed: number): Random {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}
