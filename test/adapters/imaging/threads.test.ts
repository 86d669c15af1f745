import { spawnSync } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { isMarkedAsUntransferable } from 'node:worker_threads';
import sharp from 'sharp';
import { describe, expect, it, onTestFinished } from 'vitest';
import { createImaging } from '../../../src/adapters/imaging/finish.ts';
import { createImagingThreads } from '../../../src/adapters/imaging/threads.ts';
import { DamagedOriginalError, ImageError } from '../../../src/core/domain/errors.ts';
import { sha256 } from '../../../src/core/domain/file-names.ts';
import type { FinishedFile, FinishSpec } from '../../../src/core/ports/imaging.ts';
import { NO_TRACING, type Tracer } from '../../../src/core/ports/tracer.ts';
import { startEasel } from '../../support/app/easel.ts';
import { signingIdentity } from '../../support/credentials.ts';
import { blankPicture } from '../../support/pictures.ts';
import { temporaryFolder } from '../../support/temporary-folder.ts';
import { until } from '../../support/until.ts';
import { finishSpec, OPTIONS, stripes } from './drawings.ts';

const DYING = new URL('./dying-worker.ts', import.meta.url);
const LATE = new URL('./late-worker.ts', import.meta.url);
const MASTER = { width: 320, height: 200, format: 'png' } as const;
const RENDITIONS = [
  { width: 160, height: 100, format: 'webp' },
  { width: 64, height: 64, format: 'jpeg' },
] as const;
const AVIFS = [
  { width: 64, height: 64, format: 'avif' },
  { width: 32, height: 32, format: 'avif' },
] as const;

function open(options: Partial<Parameters<typeof createImagingThreads>[0]> = {}) {
  const imaging = createImagingThreads({
    ...OPTIONS,
    pictures: 2,
    threads: 1,
    picturesPerThread: 2,
    signing: null,
    tracer: NO_TRACING,
    ...options,
  });
  onTestFinished(() => imaging.close());
  return imaging;
}

/** An original, a spec of it, and a `read` that gives copies of it and keeps what it gave. */
async function originalOf(change: Partial<FinishSpec> = {}, mediaId = 'hero') {
  const original = await stripes(320, 200).jpeg().toBuffer();
  const given: Uint8Array[] = [];
  const spec = finishSpec(MASTER, RENDITIONS, change);
  const read = async () => {
    const bytes = Uint8Array.from(original);
    given.push(bytes);
    return bytes;
  };
  const provenance = { ...spec.provenance, mediaId, originalSha256: sha256(original) };
  return { original, given, read, spec: { ...spec, provenance } };
}

const bytesOf = (file: FinishedFile) => file.bytes ?? new Uint8Array();

describe('imaging on threads', () => {
  it('makes what imaging makes on this thread, with the sha256 of each file', async () => {
    const { original, read, spec } = await originalOf();
    using made = await open().finish(read, spec);
    const here = await createImaging(OPTIONS).finish(original, spec);
    expect({ ...made, [Symbol.dispose]: null }).toEqual({
      ...here,
      master: { ...here.master, bytes: Uint8Array.from(bytesOf(here.master)) },
      renditions: here.renditions.map((file) => ({ ...file, bytes: Uint8Array.from(bytesOf(file)) })),
      thumbnail: { ...here.thumbnail, bytes: Uint8Array.from(bytesOf(here.thumbnail)) },
      [Symbol.dispose]: null,
    });
    for (const file of [made.master, ...made.renditions, made.thumbnail])
      expect(sha256(bytesOf(file))).toBe(file.sha256);
  });

  it('moves the original there and the files back, and empties them when they are disposed of', async () => {
    const { given, read, spec } = await originalOf();
    const made = await open().finish(read, spec);
    expect(given.map(({ byteLength }) => byteLength)).toEqual([0]);
    const files = [made.master, ...made.renditions, made.thumbnail].map(bytesOf);
    for (const { buffer, byteLength } of files) {
      expect([buffer.byteLength, isMarkedAsUntransferable(buffer)]).toEqual([byteLength, false]);
    }
    made[Symbol.dispose]();
    expect(files.map(({ byteLength }) => byteLength)).toEqual([0, 0, 0, 0]);
  });

  it('has no more pictures in hand than it may: read, and not disposed of yet', async () => {
    const imaging = open();
    const pictures = await Promise.all(Array.from({ length: 4 }, () => originalOf()));
    const made = pictures.map(({ read, spec }) => imaging.finish(read, spec));
    const reads = () => pictures.map(({ given }) => given.length);
    const first = await Promise.all(made.slice(0, 2));
    expect(reads()).toEqual([1, 1, 0, 0]);
    first[0]?.[Symbol.dispose]();
    const third = await made[2];
    expect(reads()).toEqual([1, 1, 1, 0]);
    for (const picture of [first[1], third]) picture?.[Symbol.dispose]();
    (await made[3])?.[Symbol.dispose]();
  });

  it('gives the place of a picture that fails to the next', async () => {
    const imaging = open({ pictures: 1 });
    const { read, spec } = await originalOf();
    const lost = imaging.finish(() => Promise.reject(new Error('the disk is gone')), spec);
    await expect(lost).rejects.toThrow('the disk is gone');
    using made = await imaging.finish(read, spec);
    expect(made.warnings).toEqual([]);
  });

  it('raises DamagedOriginalError for other bytes than those of the original, in either method', async () => {
    const imaging = open();
    const { read, spec } = await originalOf({ deferred: AVIFS });
    const damaged = async () => (await read()).fill(0, 100, 101);
    await expect(imaging.finish(damaged, spec)).rejects.toBeInstanceOf(DamagedOriginalError);
    const deferred = imaging.finishDeferred(damaged, spec, async () => {});
    await expect(deferred).rejects.toBeInstanceOf(DamagedOriginalError);
  });

  it('leaves the original in memory where its time is over, since the decoder still reads it', async () => {
    const flat = { create: { width: 3_000, height: 3_000, channels: 3, background: '#123456' } } as const;
    const slow = await sharp(flat).png({ progressive: true, compressionLevel: 1 }).toBuffer();
    const { spec } = await originalOf();
    const provenance = { ...spec.provenance, originalSha256: sha256(slow) };
    const imaging = open({ worker: LATE, limits: { decodeSeconds: 0.01 } });
    const made = imaging.finish(async () => Uint8Array.from(slow), { ...spec, provenance });
    await expect(made).rejects.toMatchObject({
      message: `${slow.length} bytes are left`,
      cause: { message: 'the picture could not be decoded within 0.01 s' },
    });
  });

  it('raises what the checks found, inside the span of the checks', async () => {
    const spans: unknown[] = [];
    const tracer: Tracer = {
      ...NO_TRACING,
      async span({ name }, work) {
        const error = await work().then(
          () => null,
          (raised: unknown) => raised,
        );
        spans.push([name, error]);
        return await work();
      },
    };
    const bytes = await blankPicture({ width: 320, height: 200 });
    const { spec } = await originalOf();
    const provenance = { ...spec.provenance, originalSha256: sha256(bytes) };
    const made = open({ tracer }).finish(async () => Uint8Array.from(bytes), { ...spec, provenance });
    const error = await made.catch((raised: unknown) => raised);
    expect(error).toBeInstanceOf(ImageError);
    const [rejected] = (error as ImageError).checks.filter(({ verdict }) => verdict === 'reject');
    expect(rejected).toMatchObject({ name: 'uniformity', value: 0 });
    expect(spans).toEqual([['check', error]]);
  });

  it('makes deferred renditions one by one, each stored before the next, while every place is taken', async () => {
    const imaging = open({ pictures: 1, picturesPerThread: 1 });
    const { read, spec, given } = await originalOf({ deferred: AVIFS });
    using _held = await imaging.finish(read, spec);
    const files: FinishedFile[] = [];
    const warnings = await imaging.finishDeferred(read, spec, async (file) => {
      files.push(file);
      expect(sha256(bytesOf(file))).toBe(file.sha256);
      expect(given).toHaveLength(1 + files.length);
    });
    expect(files.map(({ width, format }) => [width, format])).toEqual([
      [64, 'avif'],
      [32, 'avif'],
    ]);
    expect(files.map((file) => bytesOf(file).byteLength)).toEqual([0, 0]);
    expect(warnings).toEqual([]);
  });

  it('signs on its threads', async () => {
    const identity = await signingIdentity();
    const imaging = open({ signing: { identity, generator: { name: 'Easel', version: '1.2.3' } } });
    const { read, spec } = await originalOf();
    using made = await imaging.finish(read, spec);
    expect(made.warnings).toEqual([]);
    expect(Buffer.from(bytesOf(made.master)).includes('c2pa')).toBe(true);
  });
});

describe('a picture whose thread dies', () => {
  it('is read again and made on another', async () => {
    const { read, spec, given } = await originalOf({}, `dies-1-${randomUUID()}`);
    using made = await open({ worker: DYING }).finish(read, spec);
    expect([given.length, made.master.format]).toEqual([2, 'png']);
  });

  it('fails without a word against it where that dies too', async () => {
    const { read, spec, given } = await originalOf({}, `dies-2-${randomUUID()}`);
    const failed = open({ worker: DYING }).finish(read, spec);
    await expect(failed).rejects.toMatchObject({ code: 'internal_error', message: expect.stringContaining('died') });
    expect(given).toHaveLength(2);
  });

  it('is finished and paid for once', async () => {
    await using easel = await startEasel({
      openImaging: (options) => createImagingThreads({ ...options, worker: DYING }),
    });
    const mediaId = `dies-1-${randomUUID()}`;
    const { status, body } = await easel.post({ mediaId, prompt: 'a lighthouse' });
    expect([status, body.status, body.attempts.length]).toEqual([201, 'succeeded', 1]);
    expect(easel.upstream.calls).toHaveLength(1);
  });

  it('is finished by a retry, which costs nothing, where both of its threads died', async () => {
    await using easel = await startEasel({
      openImaging: (options) => createImagingThreads({ ...options, worker: DYING }),
    });
    const mediaId = `dies-2-${randomUUID()}`;
    const { status, body } = await easel.post({ mediaId, prompt: 'a lighthouse' });
    expect([status, body.code]).toEqual([500, 'internal_error']);
    await easel.retry(mediaId);
    await until(async () => (await easel.record(mediaId)).status === 'succeeded');
    expect(easel.upstream.calls).toHaveLength(1);
  });
});

it('loads neither sharp nor anything that makes pictures on the thread that opens it', async () => {
  await using folder = await temporaryFolder();
  const log = join(folder.path, 'loaded');
  const root = join(import.meta.dirname, '../../..');
  const code = `await import('${join(root, 'src/adapters/imaging/threads.ts')}')`;
  const flags = ['--import', join(root, 'test/support/loaded-modules.ts'), '--input-type=module', '--eval', code];
  const { status, stderr } = spawnSync(process.execPath, flags, {
    env: { ...process.env, LOADED_MODULES: log },
    encoding: 'utf8',
  });
  expect([status, stderr]).toEqual([0, '']);
  const loaded = (await readFile(log, 'utf8')).split('\n');
  expect(loaded.some((url) => url.endsWith('/imaging/threads.ts'))).toBe(true);
  expect(loaded.filter((url) => /node_modules\/sharp|adapters\/imaging\/(?!threads\.ts)|c2pa/.test(url))).toEqual([]);
});
