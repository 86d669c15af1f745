/**
 * A process that decodes one picture while the machine fails it, and writes how that ended as JSON. Arguments: a picture, its limit in
 * seconds, and one of
 *
 *     stop            stops itself (SIGSTOP) while it decodes, after the line `stopping`
 *     memory BYTES    may not grow by more than so many bytes from when it begins
 */

import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { setTimeout as delay } from 'node:timers/promises';
import sharp from 'sharp';
import { createImaging } from '../../../src/adapters/imaging/finish.ts';
import { configureSharp } from '../../../src/adapters/imaging/sharp.ts';
import { NO_CHECKS } from '../../../src/core/domain/checks.ts';
import { finishSpec, stripes } from './drawings.ts';

const [file = '', seconds = '', fault, bytes] = process.argv.slice(2);
const picture = readFileSync(file);
const { width, height } = await sharp(picture).metadata();
const imaging = createImaging({ checks: NO_CHECKS, limits: { decodeSeconds: Number(seconds) } });
configureSharp();
// Everything is loaded before the fault.
const warm = finishSpec({ width: 32, height: 32, format: 'png' });
await imaging.finish(await stripes(64, 64).png().toBuffer(), warm);

if (fault === 'memory') limitMemory(Number(bytes));
const outcome = imaging.finish(picture, finishSpec({ width, height, format: 'png' })).then(
  () => ({ code: 'ok' }),
  (error: unknown) => ({ code: (error as { code?: string }).code ?? 'unknown', message: String(error) }),
);
if (fault === 'stop') {
  // Long enough for the decoder to begin.
  await delay(20);
  process.stdout.write('stopping\n');
  process.kill(process.pid, 'SIGSTOP');
}
process.stdout.write(`${JSON.stringify(await outcome)}\n`);

function limitMemory(room: number): void {
  const used = 1024 * Number(/VmSize:\s+(\d+)/.exec(readFileSync('/proc/self/status', 'latin1'))?.[1]);
  const { status } = spawnSync('prlimit', [`--pid=${process.pid}`, `--as=${used + room}`]);
  if (status !== 0) throw new Error('prlimit failed');
}
