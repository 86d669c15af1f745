import type { CallOptions, Easel } from '../../client/easel.ts';
import { EaselError } from '../../client/errors.ts';
import type { ImageRecord } from '../../client/shapes.ts';

/** The record of a picture; null where there is none. Raises `EaselError` for any other reason. */
export async function findRecord(
  easel: Pick<Easel, 'get'>,
  mediaId: string,
  options: CallOptions = {},
): Promise<ImageRecord | null> {
  return await easel.get(mediaId, options).catch((error: unknown) => {
    if (error instanceof EaselError && error.code === 'not_found') return null;
    throw error;
  });
}

/** Whether the picture moves on by itself. */
export function isUnfinished({ status }: Pick<ImageRecord, 'status'>): boolean {
  return status === 'queued' || status === 'generating' || status === 'processing';
}
