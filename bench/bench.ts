/**
 * `npm run bench -- NAME` runs `bench/NAME.ts`, which prints what it measures and ends by itself.
 * Figures are only worth something side by side, in one run, on a machine that does nothing else.
 */

import { cpus, loadavg } from 'node:os';

const BENCHES: Readonly<Record<string, string>> = {
  finish: 'CPU and time to finish one picture, beside bare sharp doing the same decode, resize and encode',
  gate: 'the quality checks over made pictures, good and bad: false positives and misses',
  media: 'serving pictures, beside nginx and a bare node:http server (needs nginx and wrk)',
  memory: 'peak memory with 64 pictures of 4 MB in flight (needs /proc)',
  overload: 'what is finished, and how fast the rest is refused, at ten times the load that the upstream allows',
  retention: 'finding and sweeping 1,000 expired images among 1,000,000 (2 GB in the temporary folder)',
  pipeline: 'pictures a second from POST to published, beside a bare sharp script (needs /proc)',
};

/** No bench takes longer, so that a broken one ends as well. */
const LIMIT_MS = 300_000;

const name = process.argv[2] ?? '';
if (Object.hasOwn(BENCHES, name)) {
  const { length, 0: first } = cpus();
  console.log(`Node ${process.version}, ${length} x ${first?.model}, load ${loadavg()[0]?.toFixed(2)}`);
  setTimeout(() => {
    throw new Error(`the bench did not end within ${LIMIT_MS / 1000} s`);
  }, LIMIT_MS).unref();
  await import(`./${name}.ts`);
} else {
  console.error('usage: npm run bench -- NAME\n');
  for (const [known, what] of Object.entries(BENCHES)) console.error(`  ${known.padEnd(10)}${what}`);
  process.exitCode = 64;
}
