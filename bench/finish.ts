/**
 * The cost of finishing a picture, beside bare sharp, which decodes once and then scales and encodes each output with the
 * same options: the floor. Easel also checks the picture, makes its preview and writes XMP. `finish 40` does 40 of each.
 */

import sharp from 'sharp';
import { createImaging } from '../src/adapters/imaging/finish.ts';
import { ENCODERS } from '../src/adapters/imaging/render.ts';
import { configureSharp } from '../src/adapters/imaging/sharp.ts';
import { DEFAULT_CHECKS } from '../src/core/domain/checks.ts';
import { TRAINED_ALGORITHMIC_MEDIA } from '../src/core/domain/digital-source.ts';
import type { RenditionSpec } from '../src/core/domain/formats.ts';
import type { FinishSpec } from '../src/core/ports/imaging.ts';
import { SIZE } from './support/brushes.ts';
import { gatePictures } from './support/gate-pictures.ts';
import { saveResults } from './support/results.ts';

const ROUNDS = Number(process.argv[3] ?? 20);

const CASES: Readonly<Record<string, readonly RenditionSpec[]>> = {
  '1200x675.png': [{ width: 1200, height: 675, format: 'png' }],
  '1200x675.webp, 600x338.jpeg': [
    { width: 1200, height: 675, format: 'webp' },
    { width: 600, height: 338, format: 'jpeg' },
  ],
  '1200x675.avif, deferred': [{ width: 1200, height: 675, format: 'avif' }],
};

configureSharp();
const imaging = createImaging({ checks: DEFAULT_CHECKS, containBackground: '#ffffff' });
const original = await firstPicture();
console.log(
  `original: ${SIZE.width}x${SIZE.height}.png, ${(original.length / 1e6).toFixed(1)} MB; it is its own master`,
);
console.log('renditions                      bare sharp           Easel                floor over Easel');
const rows: (readonly [string, number, number, number, number, number])[] = [];
for (const [name, specs] of Object.entries(CASES)) {
  const deferred = specs.filter(({ format }) => format === 'avif');
  const spec: FinishSpec = {
    requested: SIZE,
    master: { ...SIZE, format: 'png' },
    crop: 'centre',
    renditions: specs.filter(({ format }) => format !== 'avif'),
    deferred,
    provenance: {
      mediaId: 'a',
      provider: 'b',
      model: 'c',
      createdAt: '2026-11-23T10:11:12.000Z',
      originalSha256: 'd',
      digitalSourceType: TRAINED_ALGORITHMIC_MEDIA,
      prompt: null,
    },
  };
  const easel = async () => {
    await imaging.finish(original, spec);
    if (deferred.length > 0) await imaging.finishDeferred(original, spec, async () => undefined);
  };
  // In turns, so that other load on the machine falls on both; the medians are compared.
  const costs = { bare: [] as Cost[], easel: [] as Cost[] };
  for (let round = 0; round < ROUNDS + 2; round += 1) {
    const bare = await costOf(() => bareSharp(specs));
    const full = await costOf(easel);
    if (round < 2) continue;
    costs.bare.push(bare);
    costs.easel.push(full);
  }
  const [bare, full] = [median(costs.bare), median(costs.easel)];
  const ratio = (bare.cpu / full.cpu).toFixed(2);
  console.log(`${name.padEnd(32)}${formatCost(bare).padEnd(21)}${formatCost(full).padEnd(21)}${ratio} of CPU`);
  rows.push([name, bare.cpu, full.cpu, bare.cpu / full.cpu, bare.wall, full.wall]);
}
await saveResults({
  tables: [
    {
      title: `One picture of ${SIZE.width}x${SIZE.height}, the median of ${ROUNDS}`,
      columns: ['renditions', 'bare sharp, ms of CPU', 'Easel, ms of CPU', 'share', 'bare sharp, ms', 'Easel, ms'],
      rows,
    },
  ],
});

async function bareSharp(specs: readonly RenditionSpec[]): Promise<void> {
  const { data, info } = await sharp(original).raw().toBuffer({ resolveWithObject: true });
  const { width, height, channels } = info;
  await Promise.all(
    specs.map((spec) => {
      const scaled = sharp(data, { raw: { width, height, channels } }).resize(spec.width, spec.height);
      return ENCODERS[spec.format](scaled).toBuffer();
    }),
  );
}

interface Cost {
  /** Processor time of all threads, in milliseconds. */
  readonly cpu: number;
  /** Elapsed time, in milliseconds. */
  readonly wall: number;
}

async function costOf(work: () => Promise<void>): Promise<Cost> {
  const cpuBefore = process.cpuUsage();
  const began = performance.now();
  await work();
  const wall = performance.now() - began;
  const { user, system } = process.cpuUsage(cpuBefore);
  return { cpu: (user + system) / 1000, wall };
}

function median(costs: readonly Cost[]): Cost {
  const middle = (values: readonly number[]) => [...values].sort((a, b) => a - b)[Math.floor(values.length / 2)] ?? 0;
  return { cpu: middle(costs.map(({ cpu }) => cpu)), wall: middle(costs.map(({ wall }) => wall)) };
}

function formatCost({ cpu, wall }: Cost): string {
  return `${cpu.toFixed(0)} ms, wall ${wall.toFixed(0)}`;
}

async function firstPicture(): Promise<Buffer> {
  for await (const { bytes } of gatePictures(1)) return bytes;
  throw new Error('there are no pictures');
}
