/**
 * A bigger machine makes more pictures: Easel on 1, 2, 4, … and all cores, beside bare sharp with as many workers on as many cores. The
 * two take turns. Each is bound to its cores where `taskset` is there, and has `IMAGING_CONCURRENCY` set to them anyway. The model API
 * answers at once from processes of its own, which have the other cores where there are some. `cores 4` is a trial with that many
 * pictures for each core.
 */

import { execFile } from 'node:child_process';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { temporaryFolder } from '../test/support/temporary-folder.ts';
import { photo } from './support/photo.ts';
import { allowedCores, cpuTime, hasTaskset, memoryMB, onCores } from './support/processes.ts';
import { type Chart, type Figure, saveResults } from './support/results.ts';
import { makePicture, startEasel, startServer } from './support/service.ts';

/** Pictures for each core and round: a core takes some two seconds for them, so that 64 cores are measured within three minutes. */
const PICTURES = Number(process.argv[3] ?? 20);
const ROUNDS = 2;
/** A round of Easel's ends after this time in any case, with the pictures that it has made: more cores may help it little. */
const ROUND_MS = 10_000;
/** Pictures that are in hand at a time, for each core: the next one's call is under way while one is finished. */
const IN_HAND = 3;
/** One model API for so many cores: it writes some 1,000 MB a second. */
const CORES_PER_API = 8;
const RATE_AIM = 0.75;
const MAIN_THREAD_AIM_MS = 8;

/** What one size of the machine gave; rates in pictures a second, times of the processor in ms a picture, memory in MB. */
interface Size {
  readonly cores: number;
  readonly bareRate: number;
  readonly bareCpuMs: number;
  readonly barePeakMB: number;
  readonly rate: number;
  readonly cpuMs: number;
  readonly mainThreadMs: number;
  readonly peakMB: number;
}

await using folder = await temporaryFolder();
const original = await photo();
const file = join(folder.path, 'original.png');
await writeFile(file, original);

const available = allowedCores();
const sizes: Size[] = [];
for (const count of counts(available.length)) {
  const size = await measure(count);
  sizes.push(size);
  console.log(
    `${count} ${count === 1 ? 'core: ' : 'cores:'} bare sharp ${size.bareRate.toFixed(1)}/s, Easel ${size.rate.toFixed(1)}/s ` +
      `(${(size.rate / size.bareRate).toFixed(2)}); processor ${size.bareCpuMs.toFixed(0)} and ${size.cpuMs.toFixed(0)} ms, ` +
      `main thread ${size.mainThreadMs.toFixed(1)} ms; peak ${size.barePeakMB.toFixed(0)} and ${size.peakMB.toFixed(0)} MB`,
  );
}

await saveResults({
  figures: figures(),
  tables: [
    {
      title:
        `A picture of ${(original.length / 1e6).toFixed(1)} MB, ${IN_HAND} in hand for each core` +
        (hasTaskset() ? '' : '; without `taskset`, so that the processes ran on all cores'),
      columns: [
        'cores',
        'bare sharp, pictures/s',
        'Easel, pictures/s',
        'share',
        'bare sharp, ms of CPU each',
        'Easel, ms of CPU each',
        'of these main thread, ms',
        'bare sharp, MB at peak',
        'Easel, MB at peak',
      ],
      rows: sizes.map((size) => [
        size.cores,
        size.bareRate,
        size.rate,
        size.rate / size.bareRate,
        size.bareCpuMs,
        size.cpuMs,
        size.mainThreadMs,
        size.barePeakMB,
        size.peakMB,
      ]),
    },
  ],
  charts: [
    chart('cores-rate', 'Pictures a second', 'pictures a second', { 'bare sharp': 'bareRate', Easel: 'rate' }),
    chart('cores-cpu', 'Processor time for a picture', 'milliseconds', {
      'bare sharp': 'bareCpuMs',
      Easel: 'cpuMs',
      'Easel, main thread': 'mainThreadMs',
    }),
    chart('cores-memory', 'Memory at its peak', 'MB', { 'bare sharp': 'barePeakMB', Easel: 'peakMB' }),
  ],
});

/** 1, 2, 4, … and the number itself. */
function counts(most: number): readonly number[] {
  const powers = Array.from({ length: Math.floor(Math.log2(most)) + 1 }, (_, power) => 2 ** power);
  return [...new Set([...powers, most])];
}

function figures(): readonly Figure[] {
  const all = sizes.at(-1);
  if (!all) return [];
  return [
    {
      what: `rate beside bare sharp, ${all.cores} cores`,
      value: all.rate / all.bareRate,
      unit: '',
      aim: { atLeast: RATE_AIM },
    },
    { what: 'main thread for a picture', value: all.mainThreadMs, unit: 'ms', aim: { atMost: MAIN_THREAD_AIM_MS } },
  ];
}

function chart(name: string, title: string, label: string, lines: Readonly<Record<string, keyof Size>>): Chart {
  return {
    name,
    title,
    x: { label: 'cores', scale: 'linear' },
    y: { label, scale: 'linear' },
    series: Object.entries(lines).map(([line, key]) => ({
      name: line,
      points: sizes.map((size) => [size.cores, size[key]] as const),
    })),
  };
}

async function measure(count: number): Promise<Size> {
  const cores = available.slice(0, count);
  const others = available.slice(count);
  await using place = await temporaryFolder();
  const processes = String(Math.ceil(count / CORES_PER_API));
  const script = join(import.meta.dirname, 'model-api/instant.ts');
  await using upstream = await startServer(
    onCores(others, [process.execPath, script, file, processes]),
    join(place.path, 'model-api.log'),
  );
  const env = {
    OPENAI_API_KEY: 'sk-stand-in',
    OPENAI_BASE_URL: `${upstream.url}/v1`,
    IMAGING_CONCURRENCY: String(count),
    CONCURRENCY: String(IN_HAND * count),
    QUEUE_LIMIT: String(100 * IN_HAND * count),
  };
  await using easel = await startEasel(place.path, env, (command) => onCores(cores, command));
  const total = PICTURES * count;
  await makePictures(easel.url, 2 * IN_HAND * count, IN_HAND * count);

  let bare = { seconds: 0, cpuSeconds: 0, peakMB: 0 };
  const whole = { pictures: 0, seconds: 0, cpuSeconds: 0, mainSeconds: 0 };
  for (let round = 0; round < ROUNDS; round += 1) {
    const next = await throughBareSharp(cores, total);
    bare = {
      seconds: bare.seconds + next.seconds,
      cpuSeconds: bare.cpuSeconds + next.cpuSeconds,
      peakMB: Math.max(bare.peakMB, next.peakMB),
    };
    const before = await cpuTime(easel.pid);
    const began = performance.now();
    whole.pictures += await makePictures(easel.url, total, IN_HAND * count);
    whole.seconds += (performance.now() - began) / 1000;
    const after = await cpuTime(easel.pid);
    whole.cpuSeconds += after.process - before.process;
    whole.mainSeconds += after.mainThread - before.mainThread;
  }
  const pictures = ROUNDS * total;
  return {
    cores: count,
    bareRate: pictures / bare.seconds,
    bareCpuMs: (1000 * bare.cpuSeconds) / pictures,
    barePeakMB: bare.peakMB,
    rate: whole.pictures / whole.seconds,
    cpuMs: (1000 * whole.cpuSeconds) / whole.pictures,
    mainThreadMs: (1000 * whole.mainSeconds) / whole.pictures,
    peakMB: await memoryMB(easel.pid, 'VmHWM'),
  };
}

async function throughBareSharp(cores: readonly number[], count: number) {
  const script = join(import.meta.dirname, 'support/bare-sharp.ts');
  const workers = String(cores.length);
  const [program, ...args] = onCores(cores, [process.execPath, script, file, String(count), workers]);
  const env = { ...process.env, UV_THREADPOOL_SIZE: String(Math.max(4, cores.length)) };
  const { stdout } = await promisify(execFile)(program, args, { env });
  return JSON.parse(stdout) as { readonly seconds: number; readonly cpuSeconds: number; readonly peakMB: number };
}

/** Makes so many pictures, `atOnce` at a time, or fewer in the time there is. Returns how many. */
async function makePictures(url: string, count: number, atOnce: number): Promise<number> {
  const deadline = performance.now() + ROUND_MS;
  let begun = 0;
  const client = async () => {
    while (begun < count && performance.now() < deadline) {
      begun += 1;
      await makePicture(url, { prompt: `picture ${begun}` });
    }
  };
  await Promise.all(Array.from({ length: atOnce }, client));
  return begun;
}
