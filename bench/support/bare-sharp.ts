/**
 * `node bench/support/bare-sharp.ts FILE COUNT`: turns a picture of 1792x1024 into a png of 1200x675, as Easel does by
 * default, and nothing else: decoded, cropped, scaled and encoded in one pass of sharp. Does so COUNT times, two at a time.
 * Prints the seconds it took and the processor seconds of all threads.
 */

import { readFileSync } from 'node:fs';
import sharp from 'sharp';

sharp.cache(false);
sharp.concurrency(1);

const original = readFileSync(process.argv[2] ?? '');
await inPairs(4);
const began = performance.now();
const before = process.cpuUsage();
await inPairs(Number(process.argv[3]));
const { user, system } = process.cpuUsage(before);
console.log(JSON.stringify({ seconds: (performance.now() - began) / 1000, cpuSeconds: (user + system) / 1e6 }));

async function inPairs(count: number): Promise<void> {
  let remaining = count;
  const work = async () => {
    while (remaining-- > 0) await render();
  };
  await Promise.all([work(), work()]);
}

function render(): Promise<Buffer> {
  return sharp(original)
    .extract({ left: 0, top: 8, width: 1792, height: 1008 })
    .resize(1200, 675, { fit: 'fill' })
    .png({ compressionLevel: 3, adaptiveFiltering: true })
    .toBuffer();
}
