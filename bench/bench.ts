/**
 * `npm run bench -- NAME` runs `bench/NAME.ts`, which prints its measurements, writes them to `bench/results/NAME.json` and ends by
 * itself. Compare only figures of one run, measured side by side on an otherwise idle machine.
 *
 * `npm run bench -- docs` makes the tables and charts of docs/benchmarks.md from these files; with `--check` it fails where they differ.
 */

import { cpus, loadavg } from 'node:os';
import { join } from 'node:path';
import { outdatedDocs, writeDocs } from './report/docs.ts';

const BENCHES: Readonly<Record<string, string>> = {
  accept: 'durable accepts a second, beside bare SQLite inserts of as many rows',
  cores: 'pictures a second, processor time and memory on 1, 2, … all cores, beside bare sharp (needs /proc)',
  finish: 'CPU and time to finish one picture, beside bare sharp doing the same decode, resize and encode',
  gate: 'the quality checks on synthetic pictures, good and bad: false positives and misses',
  gateway:
    "answers a second through the OpenAI dialect, beside Portkey's gateway and direct calls (needs `npm ci` in bench/gateway)",
  growth:
    'accepting, listing, expiry, reports and start among 1,000 to 1,000,000 images (3 GB in the temporary folder)',
  media: 'serving pictures, beside nginx and a bare node:http server (needs nginx and wrk)',
  memory: 'peak memory with 64 pictures of 4 MB in flight (needs /proc)',
  overload: 'pictures finished, and time to refuse the others, at ten times the load that the upstream allows',
  pipeline: 'pictures a second from POST to published, beside a bare sharp script (needs /proc)',
  postgres:
    'records in PostgreSQL, none and 1,000,000: times of calls, sizes of tables and indexes (5 GB in the temporary folder)',
  retention: 'finding and sweeping 1,000 expired images among 1,000,000 (2 GB in the temporary folder)',
  scale:
    'accepted and finished pictures a second with one, two and three replicas over PostgreSQL and S3, beside one process over SQLite',
  start: 'from the start of a process until it is ready, and memory at rest, beside a bare fastify app (needs /proc)',
  syncs: 'pictures a second and media GETs while every sync of the disk takes 20 ms longer (needs strace)',
};

/** Far longer than any bench takes; ends one that hangs. */
const LIMIT_MS = 900_000;

const [name = '', ...args] = process.argv.slice(2);
if (name === 'docs') process.exitCode = await docs(args.includes('--check'));
else if (Object.hasOwn(BENCHES, name)) {
  const { length, 0: first } = cpus();
  console.log(`Node ${process.version}, ${length} x ${first?.model}, load ${loadavg()[0]?.toFixed(2)}`);
  setTimeout(() => {
    throw new Error(`the bench did not end within ${LIMIT_MS / 1000} s`);
  }, LIMIT_MS).unref();
  // An orderly end, at which benches end what they have started.
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => process.exit(1));
  await import(`./${name}.ts`);
} else {
  console.error('usage: npm run bench -- NAME\n');
  for (const [bench, description] of Object.entries(BENCHES)) console.error(`  ${bench.padEnd(10)}${description}`);
  console.error(`  ${'docs'.padEnd(10)}docs/benchmarks.md, made from the results`);
  process.exitCode = 64;
}

async function docs(check: boolean): Promise<number> {
  const project = join(import.meta.dirname, '..');
  if (!check) {
    await writeDocs({ project });
    return 0;
  }
  const outdated = await outdatedDocs({ project });
  for (const file of outdated) {
    console.error(`${file} is not what bench/results say: run \`npm run docs\` and commit the result`);
  }
  return outdated.length === 0 ? 0 : 1;
}
