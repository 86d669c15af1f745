import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { setTimeout as delay, setImmediate } from 'node:timers/promises';
import sharp from 'sharp';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { withWorkLimit } from '../../../src/adapters/imaging/decode/work-limit.ts';
import { temporaryFolder } from '../../support/temporary-folder.ts';
import { createTimers } from '../../support/test-timers.ts';
import { stripes } from './drawings.ts';

const MEGABYTE = 1024 * 1024;
/** Takes 75 MB decoded, more than glibc has in reserve for a thread. */
const SIDE = 5_000;
/** Takes some 100 ms to decode. */
const SHORTER_SIDE = 3_000;

const HAS_STOP_SIGNAL = process.platform !== 'win32';
const HAS_PRLIMIT = process.platform === 'linux' && spawnSync('prlimit', ['--version']).status === 0;

const folder = await temporaryFolder();
afterAll(() => folder[Symbol.asyncDispose]());
const pictures = new Map<string, string>();

beforeAll(async () => {
  const small = await stripes(300, 300).png().toBuffer();
  const large = (side = SIDE) => sharp(small).resize(side, side);
  const make = async (name: string, bytes: Promise<Buffer>) => {
    pictures.set(name, join(folder.path, name));
    writeFileSync(pictures.get(name) ?? '', await bytes);
  };
  await make('slow.png', large(SHORTER_SIDE).png({ progressive: true, compressionLevel: 1 }).toBuffer());
  await make('interlaced.png', large().png({ progressive: true, compressionLevel: 1 }).toBuffer());
  await make('progressive.jpeg', large().jpeg({ progressive: true }).toBuffer());
  await make('lossy.webp', large().webp({ effort: 0 }).toBuffer());
  await make('lzw.tiff', large().tiff({ compression: 'lzw' }).toBuffer());
});

function decode(picture: string, seconds: number, ...fault: string[]): ChildProcess {
  const script = join(import.meta.dirname, 'decode-process.ts');
  return spawn(process.execPath, [script, pictures.get(picture) ?? '', String(seconds), ...fault], {
    stdio: ['ignore', 'pipe', 'ignore'],
  });
}

/** The lines that the process writes, one after the other; `null` at its end. */
function linesOf(child: ChildProcess): () => Promise<string | null> {
  const lines = createInterface({ input: child.stdout as NodeJS.ReadableStream })[Symbol.asyncIterator]();
  return async () => {
    const { value, done } = await lines.next();
    return done ? null : value;
  };
}

describe('a process that is stopped while it decodes', () => {
  it.skipIf(!HAS_STOP_SIGNAL)('goes on, though its limit passed meanwhile', async () => {
    const limitSeconds = 1;
    const child = decode('slow.png', limitSeconds, 'stop');
    try {
      const next = linesOf(child);
      expect(await next()).toBe('stopping');
      await delay(2.5 * 1000 * limitSeconds);
      if (process.platform === 'linux') {
        // State T: stopped. It was in the middle of its work.
        expect(readFileSync(`/proc/${child.pid}/stat`, 'latin1')).toMatch(/\) T /);
      }
      child.kill('SIGCONT');
      expect(JSON.parse((await next()) ?? 'null')).toEqual({ code: 'ok' });
    } finally {
      child.kill('SIGKILL');
    }
  });
});

describe('a machine without memory for the picture', () => {
  it.skipIf(!HAS_PRLIMIT).each(['interlaced.png', 'progressive.jpeg', 'lossy.webp', 'lzw.tiff'])(
    'is never taken for a broken picture: %s',
    async (picture) => {
      const outcomes: string[] = [];
      // Too little for the pixels; perhaps enough for them, but not for the decoder.
      for (const megabytes of [2, 100]) {
        const next = linesOf(decode(picture, 30, 'memory', String(megabytes * MEGABYTE)));
        const line = await next();
        // Without a line the process ended; then the next one finishes the picture from its original.
        outcomes.push(line === null ? 'ended' : JSON.parse(line).code);
      }
      expect(outcomes).not.toContain('invalid_image');
      expect(outcomes[0]).toBe('internal_error');
    },
  );
});

describe('withWorkLimit', () => {
  const never = () => new Promise<never>(() => undefined);

  const outcomeOf = (work: Promise<unknown>) => {
    let outcome = 'running';
    work.catch(({ code, message }) => {
      outcome = `${code}: ${message}`;
    });
    return async () => {
      await setImmediate();
      return outcome;
    };
  };

  it('counts processor time and time awake: work that had both is late', async () => {
    const { timers, awake } = createTimers();
    let processorMs = 5_000;
    const outcome = outcomeOf(withWorkLimit(10, never, { processorMs: () => processorMs, timers }));
    // Processor time of other threads alone makes nothing late.
    processorMs += 60_000;
    awake(9_900);
    expect(await outcome()).toBe('running');
    awake(100);
    expect(await outcome()).toBe('invalid_image: the picture could not be decoded within 10 s');
  });

  it('waits for the processor time that does not come, up to 20 limits awake; then the machine is at fault', async () => {
    for (const processorMs of [0, 9_999]) {
      const { timers, awake, suspended } = createTimers();
      // Before the work began.
      let used = 60_000;
      const outcome = outcomeOf(withWorkLimit(10, never, { processorMs: () => used, timers }));
      used += processorMs;
      suspended(3_600_000);
      awake(198_000);
      expect(await outcome()).toBe('running');
      awake(3_000);
      expect(await outcome()).toMatch(/^internal_error: .*machine had too little time/);
    }
  });

  it('counts its share of the processor time that other pictures take as well', async () => {
    const { timers, awake } = createTimers();
    let used = 0;
    let sharers = 8;
    const clocks = { processorMs: () => used, sharers: () => sharers, timers };
    const outcome = outcomeOf(withWorkLimit(10, never, clocks));
    for (let second = 0; second < 39; second++) {
      used += 2_000;
      awake(1_000);
    }
    // 78 s of two processors: 9.75 s for each of eight pictures.
    expect(await outcome()).toBe('running');
    sharers = 1;
    used += 1_000;
    awake(1_000);
    expect(await outcome()).toMatch('invalid_image');
  });

  it('counts no time in which the process was suspended', async () => {
    const { timers, awake, suspended } = createTimers();
    let used = 0;
    const outcome = outcomeOf(withWorkLimit(10, never, { processorMs: () => used, timers }));
    used = 60_000;
    awake(5_000);
    suspended(3_600_000);
    awake(4_000);
    expect(await outcome()).toBe('running');
    awake(3_000);
    expect(await outcome()).toMatch('invalid_image');
  });

  it('stops counting when the work has ended', async () => {
    const clock = createTimers();
    await withWorkLimit(10, async () => undefined, { timers: clock.timers });
    expect(clock.isRunning).toBe(false);
  });

  it('tells late work to begin nothing new', async () => {
    let signal: AbortSignal | undefined;
    const work = (given: AbortSignal) => {
      signal = given;
      return never();
    };
    await expect(withWorkLimit(0.01, work, { processorMs: () => performance.now() })).rejects.toThrow();
    expect(signal?.aborted).toBe(true);
  });

  it('returns what the work returns, or raises what it raises', async () => {
    await expect(withWorkLimit(1, async () => 'pixels')).resolves.toBe('pixels');
    await expect(withWorkLimit(1, async () => Promise.reject(new Error('torn')))).rejects.toThrow('torn');
  });
});
