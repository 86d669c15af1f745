import type { CallOptions, Easel } from '../../client/easel.ts';
import type { ImageRecord } from '../../client/shapes.ts';
import { sha256 } from '../../core/domain/file-names.ts';
import { CommandError } from '../failure.ts';

/** A file that a record shows as published. */
export type StoredPicture = Pick<ImageRecord, 'width' | 'height'> & {
  readonly format: Extract<ImageRecord['renditions'][number], { status: 'ready' }>['format'];
  readonly url: string;
  readonly sha256: string;
};

/** Fetches a file whole. Raises `EaselError` where it cannot be had, and `CommandError` where it is not the one of the record. */
export async function download(easel: Easel, file: StoredPicture, options: CallOptions): Promise<Uint8Array> {
  const response = await easel.media(pathOf(file.url), options);
  const bytes = new Uint8Array(await response.arrayBuffer());
  if (sha256(bytes) !== file.sha256) throw new CommandError('what came is not the picture of the record');
  return bytes;
}

/**
 * The path of a file's URL, with its signature: where the API is reached, its pictures are too, while the address in `PUBLIC_URL` may be
 * out of reach from here.
 */
function pathOf(url: string): string {
  return url.slice(url.lastIndexOf('/media/'));
}

/** The master of a picture that was made; null for any other. */
export function masterOf({ url, sha256: hash, width, height, format }: ImageRecord): StoredPicture | null {
  return url === null || hash === null ? null : { url, sha256: hash, width, height, format };
}

/** The files of a picture, the master first, then the largest. */
export function storedPictures(record: ImageRecord): readonly StoredPicture[] {
  const master = masterOf(record);
  const renditions = record.renditions.flatMap((file) => (file.status === 'ready' ? [file] : []));
  const bySize = renditions.toSorted((a, b) => b.width * b.height - a.width * a.height);
  return [...(master === null ? [] : [master]), ...bySize];
}
