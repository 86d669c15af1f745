/**
 * `node bench/bare-sharp.ts FILE COUNT` brings a picture of 1792x1024 to a png of 1200x675, as Easel does by default, and
 * nothing else: decoded, cropped, scaled and encoded in one pass of sharp, as often as told, two at a time. Prints the
 * seconds it took, and those of all processors together.
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
  let left = count;
  const work = async () => {
    while (left-- > 0) await render();
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
