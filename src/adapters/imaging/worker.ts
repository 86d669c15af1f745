/** What a thread of imaging does: everything that touches the bytes of a picture. `threads.ts` starts it. */

import { type MessagePort, workerData } from 'node:worker_threads';
import { DamagedOriginalError } from '../../core/domain/errors.ts';
import { sha256 } from '../../core/domain/file-names.ts';
import type { Warning } from '../../core/domain/image.ts';
import type { FinishedFile, FinishedPicture, FinishSpec, InspectedPicture } from '../../core/ports/imaging.ts';
import type { FileSigner } from '../provenance/c2pa-signer.ts';
import type { SigningIdentity } from '../provenance/cose-signer.ts';
import { ownBuffer, release } from '../threads/own-buffer.ts';
import { type Outcome, threadWork } from '../threads/thread-work.ts';
import { createImaging, type ImagingOptions } from './finish.ts';
import { configureSharp } from './sharp.ts';

/** What every thread is started with. */
export interface ImagingWorkerData {
  readonly options: Omit<ImagingOptions, 'signer'>;
  /** The identity that signs files, which has passed its trial, and the software that claims name; null where files are not signed. */
  readonly signing: SigningParts | null;
  /** Pictures on all threads, which share the processor time of the process: one shared number. */
  readonly picturesAtWork: Int32Array;
}

export interface SigningParts {
  readonly identity: SigningIdentity;
  readonly generator: { readonly name: string; readonly version: string };
}

export type ImagingTask = FinishTask | { readonly make: 'inspection'; readonly input: Uint8Array };

type FinishTask = { readonly original: Uint8Array; readonly spec: FinishSpec } & (
  | {
      readonly make: 'finished';
      /** Gets a message once the picture has passed its checks. */
      readonly checked: MessagePort;
    }
  /** The first deferred rendition. */
  | { readonly make: 'deferred' }
  /** From what has this hash: the original, or the master. */
  | { readonly make: 'thumbnail'; readonly sha256: string }
);

export type ImagingResult =
  | { readonly picture: FinishedPicture }
  | { readonly file: FinishedFile; readonly warnings: readonly Warning[] }
  | { readonly thumbnail: FinishedFile }
  | { readonly inspected: InspectedPicture };

const { options, signing, picturesAtWork } = workerData as ImagingWorkerData;
configureSharp();
const imaging = createImaging({
  ...options,
  limits: { ...options.limits, sharers: () => Atomics.load(picturesAtWork, 0) },
  signer: signing && (await openSigner(signing)),
});

/** For a test's own worker file to wrap; the default export is what threads run. */
export async function runTask(task: ImagingTask): Promise<Outcome<ImagingResult>> {
  Atomics.add(picturesAtWork, 0, 1);
  try {
    return await (task.make === 'inspection' ? inspect(task.input) : makeFiles(task));
  } finally {
    Atomics.sub(picturesAtWork, 0, 1);
  }
}

async function makeFiles(task: FinishTask): Promise<Outcome<ImagingResult>> {
  const { original, spec } = task;
  const { originalSha256 } = spec.provenance;
  if (sha256(original) !== (task.make === 'thumbnail' ? task.sha256 : originalSha256)) {
    release(original);
    throw new DamagedOriginalError('the bytes of the original are not those that were stored');
  }
  const made = await makeFilesOf(task);
  // At once: the collector does not know how much memory hangs on these few bytes of garbage. Not after a failure: a decoder whose time was
  // over may still read them, and memory that is taken from under it ends the process.
  release(original);
  return made;
}

async function makeFilesOf(task: FinishTask): Promise<Outcome<ImagingResult>> {
  const { original, spec } = task;
  switch (task.make) {
    case 'finished':
      return await finish(original, spec, task.checked);
    case 'deferred':
      return await makeDeferred(original, spec);
    case 'thumbnail':
      return await makeThumbnail(original, spec, task.sha256 === spec.provenance.originalSha256);
  }
}

export default threadWork(runTask);

async function inspect(input: Uint8Array): Promise<Outcome<ImagingResult>> {
  const inspected = await imaging.inspect(input);
  release(input);
  return { result: { inspected } };
}

async function finish(original: Uint8Array, spec: FinishSpec, checked: MessagePort): Promise<Outcome<ImagingResult>> {
  const made = await imaging.finish(original, spec, () => checked.postMessage(null));
  const master = movable(made.master);
  const renditions = made.renditions.map(movable);
  const thumbnail = movable(made.thumbnail);
  const transfer = buffersOf([master, ...renditions, thumbnail]);
  return { result: { picture: { ...made, master, renditions, thumbnail } }, transfer };
}

async function makeThumbnail(
  source: Uint8Array,
  spec: FinishSpec,
  isOriginal: boolean,
): Promise<Outcome<ImagingResult>> {
  const thumbnail = movable(await imaging.thumbnail(source, spec, isOriginal));
  return { result: { thumbnail }, transfer: buffersOf([thumbnail]) };
}

async function makeDeferred(original: Uint8Array, spec: FinishSpec): Promise<Outcome<ImagingResult>> {
  const files: FinishedFile[] = [];
  const first = { ...spec, deferred: spec.deferred.slice(0, 1) };
  const warnings = await imaging.finishDeferred(original, first, async (made) => void files.push(movable(made)));
  const [file] = files;
  if (file === undefined) throw new TypeError('no rendition is deferred');
  return { result: { file, warnings }, transfer: buffersOf(files) };
}

function movable(file: FinishedFile): FinishedFile {
  return { ...file, bytes: file.bytes && ownBuffer(file.bytes) };
}

function buffersOf(files: readonly FinishedFile[]): readonly ArrayBuffer[] {
  return files.flatMap(({ bytes }) => (bytes === null ? [] : [bytes.buffer as ArrayBuffer]));
}

async function openSigner({ identity, generator }: SigningParts): Promise<FileSigner> {
  // The library takes 260 ms and 26 MB to load.
  const { trustedSigner } = await import('../provenance/c2pa-signer.ts');
  return trustedSigner({ identity, generator, now: () => Date.now() });
}
