import type { CheckPolicy } from '../domain/checks.ts';
import { masterName, renditionName, sha256 } from '../domain/file-names.ts';
import type { RenditionSpec } from '../domain/formats.ts';
import { type Image, isMended, type MediaFile, type Original } from '../domain/image.ts';
import { finished } from '../domain/transitions.ts';
import type { FinishedFile, FinishedPicture, FinishOrder } from '../ports/imaging.ts';
import type { FileSource } from '../ports/media-store.ts';
import { untilStored } from '../ports/storage-retry.ts';
import { advance, type Job, type Received, type RunnerDeps, timed } from './job.ts';
import { report } from './outcome.ts';

export async function finish(job: Job, { image, original, bytes }: Received): Promise<void> {
  const { renditions: wanted } = image.request;
  const pending = wanted.filter(({ format }) => job.deferredFormats.includes(format));
  const mended = isMended(image);
  const order = { ...finishOrder(job, image, original, pending), ...(mended && { checks: NO_CHECKS }) };
  const made = await timed(job, 'finish', () => job.imaging.finish(bytes, order));
  const { master, renditions, sources } = describeFiles(image, original, made);
  await timed(job, 'publish', () => untilStored(job, () => job.store.publish(sources)));
  const { thumbhash, dominantColour, checks, warnings } = made;
  const parts = { master, renditions, pending, thumbhash, dominantColour, checks, warnings };
  const ended = await advance(job, (current) => finished(current, parts, new Date(job.clock.now()).toISOString()));
  if (mended) job.log.info('image mended: its files are there again');
  else report(job, ended);
}

const NO_CHECKS: CheckPolicy = {
  uniformity: 'off',
  entropy: 'off',
  sharpness: 'off',
  borders: 'off',
  size: 'off',
  ratio: 'off',
};

/** What the image's original has to become, its `deferred` renditions later than the rest. */
export function finishOrder(
  { embedPrompt }: Pick<RunnerDeps, 'embedPrompt'>,
  image: Image,
  original: Original,
  deferred: readonly RenditionSpec[],
): FinishOrder {
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

function describeFiles(image: Image, original: Original, finished: FinishedPicture) {
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
