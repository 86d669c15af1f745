/**
 * Pictures per second of the whole service, from POST to published and durable, beside a bare script that only decodes,
 * scales and encodes with sharp. The model API is a stand-in that answers at once, in this process, on the same processors.
 * The two take turns; the figure is the median of the rounds. The aims are 0.75 by rate and 1.3
 * times the processor time.
 */

import { execFile } from 'node:child_process';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { answer } from '../test/support/openai/answers.ts';
import { startOpenAiServer } from '../test/support/openai/server.ts';
import { temporaryFolder } from '../test/support/temporary-folder.ts';
import { photo } from './support/photo.ts';
import { cpuTime } from './support/processes.ts';
import { saveResults } from './support/results.ts';
import { makePicture, startEasel } from './support/service.ts';
import { median } from './support/timing.ts';

const ROUNDS = 5;
const PICTURES = 24;
const AIM = 0.75;
/** How much more processor time a picture may take than bare sharp needs for it. */
const CPU_AIM = 1.3;

interface Round {
  readonly seconds: number;
  /** Processor time of the measured process, without the stand-in model API. */
  readonly cpuSeconds: number;
}

await using folder = await temporaryFolder();
await using upstream = await startOpenAiServer();
const original = await photo();
const file = join(folder.path, 'original.png');
await writeFile(file, original);
const body = Buffer.from(JSON.stringify({ data: [{ b64_json: original.toString('base64') }] }));
upstream.always(answer({ body, type: 'application/json' }));
await using easel = await startEasel(folder.path, {
  OPENAI_API_KEY: upstream.key ?? '',
  OPENAI_BASE_URL: upstream.baseUrl,
});

await throughEasel(4);
const easels: Round[] = [];
const bares: Round[] = [];
for (let round = 0; round < ROUNDS; round++) {
  bares.push(await throughBareSharp(PICTURES));
  easels.push(await throughEasel(PICTURES));
}

const bare = describe('bare sharp', bares);
const whole = describe('easel', easels);
const ratio = whole.rate / bare.rate;
console.log(`ratio ${ratio.toFixed(2)}, by processor time ${(bare.cpuMs / whole.cpuMs).toFixed(2)}; aim ${AIM}`);
await saveResults({
  figures: [
    { what: 'rate beside bare sharp', value: ratio, unit: '', aim: { atLeast: AIM } },
    {
      what: 'processor time beside bare sharp',
      value: whole.cpuMs / bare.cpuMs,
      unit: 'times',
      aim: { atMost: CPU_AIM },
    },
  ],
  tables: [
    {
      title: `${PICTURES} pictures a round, the median of ${ROUNDS}`,
      columns: ['what', 'pictures a second', 'processor time each, ms'],
      rows: [
        ['bare sharp, two at a time', bare.rate, bare.cpuMs],
        ['Easel', whole.rate, whole.cpuMs],
      ],
    },
  ],
});
if (ratio < AIM) process.exitCode = 1;

async function throughBareSharp(count: number): Promise<Round> {
  const script = join(import.meta.dirname, 'support/bare-sharp.ts');
  const { stdout } = await promisify(execFile)(process.execPath, [script, file, String(count)]);
  return JSON.parse(stdout) as Round;
}

async function throughEasel(count: number): Promise<Round> {
  const began = performance.now();
  const before = (await cpuTime(easel.pid)).process;
  await Promise.all(
    Array.from({ length: count }, (_, index) => makePicture(easel.url, { prompt: `picture ${index}` })),
  );
  return { seconds: (performance.now() - began) / 1000, cpuSeconds: (await cpuTime(easel.pid)).process - before };
}

function describe(name: string, rounds: readonly Round[]) {
  const rate = median(rounds.map(({ seconds }) => PICTURES / seconds));
  const cpuMs = median(rounds.map(({ cpuSeconds }) => (cpuSeconds * 1000) / PICTURES));
  console.log(`${name.padEnd(12)}${rate.toFixed(1)} pictures/s, ${cpuMs.toFixed(0)} ms of processor time each`);
  return { rate, cpuMs };
}
