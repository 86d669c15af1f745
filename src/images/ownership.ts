import { type Image, isFinished, masterName, originalName, renditionName } from './image.ts';

/**
 * Every file name that the image has, had or may yet get. A crash can leave files that the record does not know of,
 * so a removal takes all of these.
 */
export function possibleNames(image: Image): readonly string[] {
  const { mediaId, request } = image;
  const published = [
    masterName(mediaId, request.format),
    ...request.renditions.map((spec) => renditionName(mediaId, spec)),
  ];
  return unique([...publishedNames(image), ...published, ...originalNames(image)]);
}

/**
 * The file names that belong to the image now: all possible ones while it is being made, and only those that its
 * record shows, pending ones included, once it is finished. The original of each attempt belongs to it as long as the
 * record stands: it was paid for.
 */
export function ownedNames(image: Image): readonly string[] {
  if (!isFinished(image.status)) return possibleNames(image);
  return unique([...publishedNames(image), ...originalNames(image)]);
}

function publishedNames({ mediaId, master, renditions, pending }: Image): readonly string[] {
  const files = [master, ...renditions].flatMap((file) => file?.name ?? []);
  return [...files, ...pending.map((spec) => renditionName(mediaId, spec))];
}

function originalNames({ mediaId, original, attempts }: Image): readonly string[] {
  return [...(original ? [original.name] : []), ...attempts.map((attempt) => originalName(mediaId, attempt.id))];
}

function unique(names: readonly string[]): readonly string[] {
  return [...new Set(names)];
}
