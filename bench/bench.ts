/**
 * `npm run bench -- NAME` runs `bench/NAME.ts`, which prints its measurements and ends by itself.
 * Compare only figures of one run, measured side by side on an otherwise idle machine.
 */

import { cpus, loadavg } from 'node:os';

const BENCHES: Readonly<Record<string, string>> = {
  finish: 'CPU and time to finish one picture, beside bare sharp doing the same decode, resize and encode',
  gate: 'the quality checks on synthetic pictures, good and bad: false positives and misses',
  media: 'serving pictures, beside nginx and a bare node:http server (needs nginx and wrk)',
  memory: 'peak memory with 64 pictures of 4 MB in flight (needs /proc)',
  overload: 'pictures finished, and time to refuse the others, at ten times the load that the upstream allows',
  pipeline: 'pictures a second from POST to published, beside a bare sharp script (needs /proc)',
  start: 'from the start of a process until it is ready, and memory at rest, beside a bare fastify app (needs /proc)',
  retention: 'finding and sweeping 1,000 expired images among 1,000,000 (2 GB in the temporary folder)',
};

/** Far longer than any bench takes; ends one that hangs. */
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
  for (const [bench, description] of Object.entries(BENCHES)) console.error(`  ${bench.padEnd(10)}${description}`);
  process.exitCode = 64;
}
