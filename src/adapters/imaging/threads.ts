import { once } from 'node:events';
import { extname } from 'node:path';
import { MessageChannel } from 'node:worker_threads';
import PQueue from 'p-queue';
import { DamagedOriginalError, ImageError } from '../../core/domain/errors.ts';
import type { Warning } from '../../core/domain/image.ts';
import type {
  FinishedFile,
  FinishedPicture,
  FinishSpec,
  Imaging,
  InspectedPicture,
  ReadOriginal,
} from '../../core/ports/imaging.ts';
import type { Tracer } from '../../core/ports/tracer.ts';
import { ownBuffer, release } from '../threads/own-buffer.ts';
import { createThreadPool, ThreadDiedError } from '../threads/pool.ts';
import type { ImagingResult, ImagingTask, ImagingWorkerData, SigningParts } from './worker.ts';

interface ImagingThreadsOptions extends Pick<ImagingWorkerData['options'], 'limits' | 'checks' | 'containBackground'> {
  /** Most pictures in hand at the same time: read, and not yet disposed of by the caller. */
  readonly pictures: number;
  readonly threads: number;
  /** Most of these pictures on one thread, and most operations of sharp that it runs for them at the same time, each on a libuv thread. */
  readonly picturesPerThread: number;
  /** Signs every encoded file; null for none. Its identity has passed `trySigner`. */
  readonly signing: SigningParts | null;
  readonly tracer: Tracer;
  /** For tests: a worker file that wraps `worker.ts`. */
  readonly worker?: URL;
}

/** Imaging on threads, which `close` ends. */
export interface ImagingThreads extends Imaging {
  /** Ends the threads, and rejects what they work on. */
  close(): Promise<void>;
}

const WORKER = new URL(`./worker${extname(import.meta.url)}`, import.meta.url);

/**
 * Imaging on worker threads: this thread sends each original and gets the files, both moved, not copied; of an input, which its caller
 * still needs, it sends a copy. A picture whose thread dies is read and tried once more on another; `internal_error` is raised where that
 * dies too.
 */
export function createImagingThreads({
  pictures,
  threads,
  picturesPerThread,
  signing,
  tracer,
  worker = WORKER,
  ...options
}: ImagingThreadsOptions): ImagingThreads {
  const pool = createThreadPool<ImagingTask, ImagingResult>({
    worker,
    maxThreads: threads,
    // Room for a deferred rendition on any thread, so that none takes the place of a picture.
    concurrentTasksPerWorker: picturesPerThread + 1,
    workerData: {
      options: { ...options, concurrency: picturesPerThread },
      signing,
      // A thread that dies leaves its pictures counted: later ones then have more time, never less.
      picturesAtWork: new Int32Array(new SharedArrayBuffer(Int32Array.BYTES_PER_ELEMENT)),
    } satisfies ImagingWorkerData,
  });
  const places = new PQueue({ concurrency: pictures });

  /** Resolves once one more picture may be in hand, to what gives its place back. */
  async function takePlace(): Promise<() => void> {
    const taken = Promise.withResolvers<() => void>();
    void places.add(() => new Promise<void>((free) => taken.resolve(free)));
    return await taken.promise;
  }

  async function finishOnThread(read: ReadOriginal, spec: FinishSpec): Promise<FinishedPicture> {
    const original = ownBuffer(await read());
    const { port1, port2 } = new MessageChannel();
    try {
      const task: ImagingTask = { make: 'finished', original, spec, checked: port2 };
      const made = pool.run(task, { transfer: [original.buffer, port2] });
      // The result may come first, on a port of its own.
      await tracer.span({ name: 'check' }, () => Promise.race([once(port1, 'message'), made]));
      const result = await made;
      if ('picture' in result) return result.picture;
      throw new TypeError('a picture was to be finished');
    } finally {
      port1.close();
    }
  }

  async function makeDeferred(read: ReadOriginal, spec: FinishSpec) {
    const original = ownBuffer(await read());
    const result = await pool.run({ make: 'deferred', original, spec }, { transfer: [original.buffer] });
    if ('file' in result) return result;
    throw new TypeError('a rendition was to be made');
  }

  async function makeThumbnail(read: ReadOriginal, spec: FinishSpec, sha256: string): Promise<FinishedFile> {
    const original = ownBuffer(await read());
    const task: ImagingTask = { make: 'thumbnail', original, spec, sha256 };
    const result = await pool.run(task, { transfer: [original.buffer] });
    if ('thumbnail' in result) return result.thumbnail;
    throw new TypeError('a thumbnail was to be made');
  }

  async function inspectOnThread(bytes: Uint8Array): Promise<InspectedPicture> {
    const input = Uint8Array.from(bytes);
    const result = await pool.run({ make: 'inspection', input }, { transfer: [input.buffer] });
    if ('inspected' in result) return result.inspected;
    throw new TypeError('a picture was to be inspected');
  }

  return {
    async finish(read, spec) {
      const giveBack = await takePlace();
      try {
        const picture = await onThread(() => finishOnThread(read, spec));
        return { ...picture, [Symbol.dispose]: () => disposeOf(picture, giveBack) };
      } catch (error) {
        giveBack();
        throw error;
      }
    },
    async finishDeferred(read, spec, onFile) {
      const warnings = new Map<string, Warning>();
      for (const rendition of spec.deferred) {
        const made = await onThread(() => makeDeferred(read, { ...spec, deferred: [rendition] }));
        try {
          await onFile(made.file);
        } finally {
          releaseFile(made.file);
        }
        for (const warning of made.warnings) warnings.set(warning.detail, warning);
      }
      return [...warnings.values()];
    },
    async thumbnail(read, spec, sha256) {
      const made = await onThread(() => makeThumbnail(read, spec, sha256), 'the thumbnail could not be made');
      return { ...made, [Symbol.dispose]: () => releaseFile(made) };
    },
    async inspect(bytes) {
      const giveBack = await takePlace();
      try {
        return await onThread(() => inspectOnThread(bytes), 'the picture could not be looked at');
      } finally {
        giveBack();
      }
    },
    close: () => pool.close(),
  };
}

const UNFINISHED = 'the picture could not be finished, and its original is kept';

/** Does work on a thread, and once more where that thread dies. `failure` says in the error what came of it. */
async function onThread<T>(work: () => Promise<T>, failure = UNFINISHED): Promise<T> {
  try {
    return await work().catch((error: unknown) => {
      if (error instanceof ThreadDiedError) return work();
      throw error;
    });
  } catch (error) {
    if (error instanceof ThreadDiedError) {
      throw new ImageError('internal_error', `${failure}: the thread that worked on it died`, { cause: error });
    }
    if (error instanceof Error && error.name === 'DamagedOriginalError') throw new DamagedOriginalError(error.message);
    throw error;
  }
}

function disposeOf({ master, renditions, thumbnail }: FinishedPicture, giveBack: () => void): void {
  for (const file of [master, ...renditions, thumbnail]) releaseFile(file);
  giveBack();
}

function releaseFile({ bytes }: FinishedFile): void {
  if (bytes !== null) release(bytes);
}
