/**
 * `npm run bench -- NAME` runs `bench/NAME.ts`, which prints what it measures and ends by itself.
 * Figures are only worth something side by side, in one run, on a machine that does nothing else.
 */

import { cpus, loadavg } from 'node:os';

const BENCHES: Readonly<Record<string, string>> = {
  finish: 'CPU and time to finish one picture, beside bare sharp doing the same decode, resize and encode',
  gate: 'the quality checks over made pictures, good and bad: false positives and misses',
};

const name = process.argv[2] ?? '';
if (Object.hasOwn(BENCHES, name)) {
  const { length, 0: first } = cpus();
  console.log(`Node ${process.version}, ${length} x ${first?.model}, load ${loadavg()[0]?.toFixed(2)}`);
  await import(`./${name}.ts`);
} else {
  console.error('usage: npm run bench -- NAME\n');
  for (const [known, what] of Object.entries(BENCHES)) console.error(`  ${known.padEnd(10)}${what}`);
  process.exitCode = 64;
}
