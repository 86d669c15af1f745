/**
 * `node bench/support/bare-sharp.ts FILE COUNT [WORKERS]`: turns a picture of 1792x1024 into a png of 1200x675, as Easel does by
 * default, and nothing else: decoded, cropped, scaled and encoded in one pass of sharp. Does so COUNT times, WORKERS (two)
 * at a time. Prints the seconds it took, the processor seconds of all threads, and the peak of its memory in MB.
 */

import { readFileSync } from 'node:fs';
import sharp from 'sharp';

sharp.cache(false);
sharp.concurrency(1);

const WORKERS = Number(process.argv[4] ?? 2);
const original = readFileSync(process.argv[2] ?? '');
await renderAll(2 * WORKERS);
const began = performance.now();
const before = process.cpuUsage();
await renderAll(Number(process.argv[3]));
const { user, system } = process.cpuUsage(before);
const seconds = (performance.now() - began) / 1000;
const peakMB = (process.resourceUsage().maxRSS * 1024) / 1e6;
console.log(JSON.stringify({ seconds, cpuSeconds: (user + system) / 1e6, peakMB }));

async function renderAll(count: number): Promise<void> {
  let remaining = count;
  const work = async () => {
    while (remaining-- > 0) await render();
  };
  await Promise.all(Array.from({ length: WORKERS }, work));
}

function render(): Promise<Buffer> {
  return sharp(original)
    .extract({ left: 0, top: 8, width: 1792, height: 1008 })
    .resize(1200, 675, { fit: 'fill' })
    .png({ compressionLevel: 3, adaptiveFiltering: true })
    .toBuffer();
}
