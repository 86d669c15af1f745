import { expect, it } from 'vitest';
import { DamagedOriginalError, ImageError } from '../../../src/core/domain/errors.ts';
import type { Image } from '../../../src/core/domain/image.ts';
import { createFinish } from '../../../src/core/pipeline/finish.ts';
import { inRun } from '../../../src/core/pipeline/job.ts';
import type { ReadOriginal } from '../../../src/core/ports/imaging.ts';
import type { JobSignals } from '../../../src/core/ports/job-queue.ts';
import { imageIn, originalOf } from '../domain/life-cycle/example-changes.ts';
import { openJobOf } from './job-of.ts';

const FILE = { width: 128, height: 128, format: 'png', bytes: Buffer.from('file'), sha256: 'of the file' } as const;

/** Finishes an image whose original is `bytes` on disk; `make` stands for what imaging does with them. */
async function finish({
  bytes = Buffer.from('original'),
  make = async (read) => void (await read()),
  publish = async () => {},
  signals = {},
}: {
  readonly bytes?: Buffer | null;
  readonly make?: (read: ReadOriginal) => Promise<void>;
  readonly publish?: () => Promise<void>;
  readonly signals?: Partial<JobSignals>;
}) {
  const original = originalOf('a');
  const image: Image = {
    ...imageIn('processing'),
    original,
    request: { ...imageIn('processing').request, renditions: [] },
  };
  const opened = openJobOf(image);
  const job = { ...opened.job, signals: { ...opened.job.signals, ...signals } };
  const steps: string[] = [];
  const finishOne = createFinish({
    store: {
      async read(name) {
        steps.push(`read ${name === original.name ? 'the original' : name}`);
        return bytes;
      },
      async publish() {
        steps.push('publish');
        await publish();
      },
      remove: () => Promise.reject(new Error('is not called')),
    },
    imaging: {
      async finish(read) {
        steps.push('turn');
        await make(read);
        return {
          master: FILE,
          renditions: [],
          thumbnail: { ...FILE, format: 'webp' },
          checks: [],
          thumbhash: '',
          dominantColour: '#000000',
          warnings: [],
          [Symbol.dispose]: () => void steps.push('disposed of'),
        };
      },
    },
    embedPrompt: false,
    contentNames: false,
    deferredFormats: [],
    reportOutcome: () => void steps.push('reported'),
    clock: { now: () => 0, monotonic: () => 0, sleep: async () => {} },
  });
  const error = await finishOne(inRun(job, image.run), { image, original }).catch((raised: unknown) => raised);
  return { error, steps, stored: await job.read() };
}

it('reads the original when its turn comes, and disposes of the files once the record shows them', async () => {
  const { error, steps, stored } = await finish({});
  expect(error).toBeUndefined();
  expect(steps).toEqual(['turn', 'read the original', 'publish', 'reported', 'disposed of']);
  expect(stored?.master).toMatchObject({ bytes: 4, sha256: 'of the file' });
});

it('disposes of the files where they cannot be published', async () => {
  const { error, steps } = await finish({ publish: () => Promise.reject(new Error('no such folder')) });
  expect(error).toMatchObject({ message: 'no such folder' });
  expect(steps.at(-1)).toBe('disposed of');
});

it.each<[string, Parameters<typeof finish>[0]]>([
  ['missing', { bytes: null }],
  ['damaged', { make: () => Promise.reject(new DamagedOriginalError('other bytes')) }],
])('names an original that is %s', async (_what, scene) => {
  const { error, steps } = await finish(scene);
  expect(error).toBeInstanceOf(ImageError);
  expect(error).toMatchObject({ code: 'storage_unavailable', mediaId: 'x', message: expect.stringContaining('retry') });
  expect(steps).not.toContain('publish');
});

it.each(['discarded', 'stopping'] as const)(
  'ends at once where it is %s while it waits for its turn',
  async (signal) => {
    const ends = new AbortController();
    const turn = Promise.withResolvers<void>();
    let left: Promise<unknown> = Promise.resolve();
    const make = async (read: ReadOriginal) => {
      left = turn.promise.then(read);
      ends.abort();
      await left;
    };
    const { error, steps } = await finish({ make, signals: { [signal]: ends.signal } });
    expect([error, steps]).toEqual([ends.signal.reason, ['turn']]);
    turn.resolve();
    await expect(left).rejects.toBe(ends.signal.reason);
    expect(steps).toEqual(['turn']);
  },
);

it('is finished to its end where it is unwanted only once it is being made', async () => {
  const ends = new AbortController();
  const make = async (read: ReadOriginal) => {
    await read();
    ends.abort();
  };
  const { steps } = await finish({ make, signals: { stopping: ends.signal } });
  expect(steps).toEqual(['turn', 'read the original', 'publish', 'reported', 'disposed of']);
});
