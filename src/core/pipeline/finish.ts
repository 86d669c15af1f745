import { NO_CHECKS } from '../domain/checks.ts';
import { digitalSourceTypeOf } from '../domain/digital-source.ts';
import { masterName, renditionName, sha256 } from '../domain/file-names.ts';
import type { RenditionFormat, RenditionSpec } from '../domain/formats.ts';
import { type Image, isRepair, type MediaFile, type Original } from '../domain/image.ts';
import { finished } from '../domain/life-cycle/transitions.ts';
import type { Clock } from '../ports/clock.ts';
import type { FinishedFile, FinishedPicture, FinishSpec, Imaging } from '../ports/imaging.ts';
import type { FileSource, MediaStore } from '../ports/media-store.ts';
import type { Run } from './job.ts';
import type { ReportOutcome } from './outcome.ts';
import type { StoredOriginal } from './stored-original.ts';

/**
 * Checks the original, makes the master and the renditions that are not deferred, publishes them, and ends the run as succeeded.
 * A repair is neither checked nor reported again, and sends no webhook: all that was done when the image first completed.
 * Raises `invalid_image` for a picture that fails its checks.
 */
export type Finish = (run: Run, stored: StoredOriginal) => Promise<void>;

export function createFinish({
  store,
  imaging,
  embedPrompt,
  deferredFormats,
  reportOutcome,
  clock,
}: {
  readonly store: Pick<MediaStore, 'publish'>;
  readonly imaging: Pick<Imaging, 'finish'>;
  /** Whether prompts are written into the files. */
  readonly embedPrompt: boolean;
  /** Formats too slow for the master to wait for. */
  readonly deferredFormats: readonly RenditionFormat[];
  readonly reportOutcome: ReportOutcome;
  readonly clock: Clock;
}): Finish {
  return async (run, { image, original, bytes }) => {
    const pending = image.request.renditions.filter(({ format }) => deferredFormats.includes(format));
    const repair = isRepair(image);
    const spec = { ...finishSpec(image, original, pending, embedPrompt), ...(repair && { checks: NO_CHECKS }) };
    const made = await run.timed('finish', () => imaging.finish(bytes, spec));
    const { master, renditions, sources } = toMediaFiles(image, original, made);
    await run.timed('publish', () => run.retry(() => store.publish(sources)));
    const { thumbhash, dominantColour, checks, warnings } = made;
    const parts = { master, renditions, pending, thumbhash, dominantColour, checks, warnings };
    const ended = await run.advance((current) => finished(current, parts, new Date(clock.now()).toISOString()));
    if (repair) run.log.info('image repaired: its files are published again');
    else reportOutcome(run, ended);
  };
}

/** What to make of the image's original, with the `deferred` renditions left for later. */
export function finishSpec(
  image: Image,
  original: Original,
  deferred: readonly RenditionSpec[],
  embedPrompt: boolean,
): FinishSpec {
  const { request } = image;
  return {
    requested: image.requestedSize,
    master: { ...request.size, format: request.format },
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
    },
  };
}

/** The files of a finished picture: as the record describes them, and as the store publishes them. */
function toMediaFiles(image: Image, original: Original, finished: FinishedPicture) {
  const sources: FileSource[] = [];
  const describe = (name: string, { bytes, width, height, format }: FinishedFile): MediaFile => {
    sources.push(bytes === null ? { name, from: original.name } : { name, bytes });
    return {
      name,
      width,
      height,
      format,
      bytes: bytes?.byteLength ?? original.bytes,
      sha256: bytes === null ? original.sha256 : sha256(bytes),
    };
  };
  const master = describe(masterName(image.mediaId, image.request.format), finished.master);
  const renditions = finished.renditions.map((file) => describe(renditionName(image.mediaId, file), file));
  return { master, renditions, sources };
}
