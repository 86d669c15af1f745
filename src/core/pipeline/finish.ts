import { NO_CHECKS } from '../domain/checks.ts';
import { digitalSourceTypeOf } from '../domain/digital-source.ts';
import { DamagedOriginalError } from '../domain/errors.ts';
import { masterName, publishedAs, renditionName, storedNameOf, thumbnailName } from '../domain/file-names.ts';
import { type RenditionFormat, type RenditionSpec, toMasterFormat } from '../domain/formats.ts';
import { type Image, isRepair, type MediaFile, type Original } from '../domain/image.ts';
import { type Input, picturesSent } from '../domain/input.ts';
import { finished } from '../domain/life-cycle/transitions.ts';
import type { Clock } from '../ports/clock.ts';
import type {
  FinishedFile,
  FinishedPicture,
  FinishSpec,
  Imaging,
  ProvenanceInput,
  ReadOriginal,
} from '../ports/imaging.ts';
import type { FileSource, MediaStore } from '../ports/media-store.ts';
import { giveUpFiles } from './give-up-files.ts';
import { type Run, SupersededError } from './job.ts';
import type { ReportOutcome } from './outcome.ts';
import { missingOriginal, type StoredOriginal } from './stored-original.ts';

/**
 * Checks the original, makes the master and the renditions that are not deferred, publishes them, and ends the run as succeeded.
 * A repair is neither checked nor reported again, and sends no webhook: all that was done when the image first completed.
 * Raises `invalid_image` for a picture that fails its checks, and `storage_unavailable` where the original is missing or damaged.
 */
export type Finish = (run: Run, stored: StoredOriginal) => Promise<void>;

export function createFinish({
  store,
  imaging,
  embedPrompt,
  contentNames,
  deferredFormats,
  reportOutcome,
  clock,
}: {
  readonly store: Pick<MediaStore, 'read' | 'publish' | 'remove'>;
  readonly imaging: Pick<Imaging, 'finish'>;
  /** Whether prompts are written into the files. */
  readonly embedPrompt: boolean;
  /**
   * Whether files are stored under names with their checksums, as is needed where several processes publish. A file that another replaces
   * then stays until a cleanup or the deletion of the image (`leftovers.ts`): another process may be publishing the same content.
   */
  readonly contentNames: boolean;
  /** Formats too slow for the master to wait for. */
  readonly deferredFormats: readonly RenditionFormat[];
  readonly reportOutcome: ReportOutcome;
  readonly clock: Clock;
}): Finish {
  return async (run, { image, original }) => {
    const pending = image.request.renditions.filter(({ format }) => deferredFormats.includes(format));
    const repair = isRepair(image);
    const spec = { ...finishSpec(image, original, pending, embedPrompt), ...(repair && { checks: NO_CHECKS }) };
    const unwanted = AbortSignal.any([run.signals.discarded, run.signals.stopping]);
    // Read when its turn comes, mostly from the page cache: a picture that waits for imaging holds no bytes.
    const read = async () => {
      unwanted.throwIfAborted();
      const bytes = await run.retryRead(() => store.read(original.name));
      if (bytes === null) throw missingOriginal(image);
      return bytes;
    };
    using made = await run
      .timed('finish', () => inTurn(unwanted, read, (readOnce) => imaging.finish(readOnce, spec)))
      .catch((error: unknown) => {
        throw error instanceof DamagedOriginalError ? missingOriginal(image) : error;
      });
    const { sources, ...files } = toMediaFiles(image, original, made, contentNames);
    await run.timed('publish', () => run.retry(() => store.publish(sources)));
    const { thumbhash, dominantColour, checks, warnings } = made;
    const parts = { ...files, pending, thumbhash, dominantColour, checks, warnings };
    const ended = await run
      .advance((current) => finished(current, parts, new Date(clock.now()).toISOString()))
      .catch(async (error: unknown) => {
        const names = sources.map(({ name }) => name);
        if (contentNames && error instanceof SupersededError) await giveUpFiles(run, store, names);
        throw error;
      });
    if (repair) run.log.info('image repaired: its files are published again');
    else reportOutcome(run, ended);
  };
}

/**
 * Does the work, but raises the reason of `unwanted` at once where that fires before the original is read: while the storage is full, every
 * place of imaging may be held by a picture that waits for room, which the deletion of this one may make. What comes then is disposed of.
 */
async function inTurn<Made extends Disposable>(
  unwanted: AbortSignal,
  read: ReadOriginal,
  work: (read: ReadOriginal) => Promise<Made>,
): Promise<Made> {
  unwanted.throwIfAborted();
  const left = Promise.withResolvers<never>();
  const leave = () => left.reject(unwanted.reason);
  unwanted.addEventListener('abort', leave, { once: true });
  const made = work(() => {
    unwanted.removeEventListener('abort', leave);
    return read();
  });
  try {
    return await Promise.race([made, left.promise]);
  } catch (error) {
    void made.then((late) => late[Symbol.dispose]()).catch(() => undefined);
    throw error;
  } finally {
    unwanted.removeEventListener('abort', leave);
  }
}

/** What to make of the image's original, with the `deferred` renditions left for later. */
export function finishSpec(
  image: Image,
  original: Original,
  deferred: readonly RenditionSpec[],
  embedPrompt: boolean,
): FinishSpec {
  const { request } = image;
  const pictures = picturesSent(request);
  return {
    requested: image.requestedSize,
    master: { ...request.size, format: request.format },
    takesAnyShape: request.takesAnyShape ?? false,
    crop: request.crop ?? 'centre',
    checks: request.checks ?? {},
    renditions: request.renditions.filter((spec) => !deferred.includes(spec)),
    deferred,
    provenance: {
      mediaId: image.mediaId,
      provider: image.provider,
      model: image.model,
      createdAt: image.createdAt,
      originalSha256: original.sha256,
      digitalSourceType: digitalSourceTypeOf(original),
      prompt: embedPrompt ? image.prompt : null,
      ...(pictures.length > 0 && { inputs: pictures.map(provenanceInput) }),
    },
  };
}

function provenanceInput({ sha256, format, source }: Input): ProvenanceInput {
  return { sha256, format, mediaId: 'mediaId' in source ? source.mediaId : null };
}

/** The files of a finished picture: as the record describes them, and as the store publishes them. */
function toMediaFiles(image: Image, original: Original, finished: FinishedPicture, contentNames: boolean) {
  const sources: FileSource[] = [];
  const describe = (name: string, { bytes, width, height, format, sha256 }: FinishedFile): MediaFile => {
    const names = publishedAs(name, sha256, contentNames);
    const stored = storedNameOf(names);
    sources.push(bytes === null ? { name: stored, from: original.name } : { name: stored, bytes });
    return { ...names, width, height, format, bytes: bytes?.byteLength ?? original.bytes, sha256 };
  };
  const master = describe(masterName(image.mediaId, toMasterFormat(finished.master.format)), finished.master);
  const renditions = finished.renditions.map((file) => describe(renditionName(image.mediaId, file), file));
  const thumbnail = describe(thumbnailName(image.mediaId), finished.thumbnail);
  return { master, renditions, thumbnail, sources };
}
