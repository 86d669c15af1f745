import { NO_CHECKS } from '../domain/checks.ts';
import { masterName, renditionName, sha256 } from '../domain/file-names.ts';
import type { RenditionSpec } from '../domain/formats.ts';
import { type Image, isRepair, type MediaFile, type Original } from '../domain/image.ts';
import { finished } from '../domain/transitions.ts';
import type { FinishedFile, FinishedPicture, FinishSpec } from '../ports/imaging.ts';
import type { FileSource } from '../ports/media-store.ts';
import { retryWhileStorageFails } from '../ports/storage-retry.ts';
import { advance, type Job, type Received, type RunnerDeps, timed } from './job.ts';
import { reportOutcome } from './outcome.ts';

export async function finish(job: Job, { image, original, bytes }: Received): Promise<void> {
  const { renditions: wanted } = image.request;
  const pending = wanted.filter(({ format }) => job.deferredFormats.includes(format));
  const repair = isRepair(image);
  const spec = { ...finishSpec(job, image, original, pending), ...(repair && { checks: NO_CHECKS }) };
  const made = await timed(job, 'finish', () => job.imaging.finish(bytes, spec));
  const { master, renditions, sources } = toMediaFiles(image, original, made);
  await timed(job, 'publish', () => retryWhileStorageFails(job, () => job.store.publish(sources)));
  const { thumbhash, dominantColour, checks, warnings } = made;
  const parts = { master, renditions, pending, thumbhash, dominantColour, checks, warnings };
  const ended = await advance(job, (current) => finished(current, parts, new Date(job.clock.now()).toISOString()));
  if (repair) job.log.info('image mended: its files are there again');
  else reportOutcome(job, ended);
}

/** What the image's original has to become, its `deferred` renditions later than the rest. */
export function finishSpec(
  { embedPrompt }: Pick<RunnerDeps, 'embedPrompt'>,
  image: Image,
  original: Original,
  deferred: readonly RenditionSpec[],
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
      prompt: embedPrompt ? image.prompt : null,
    },
  };
}

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
