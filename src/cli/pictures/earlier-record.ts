import { EaselError } from '../../client/errors.ts';
import type { ImageRecord } from '../../client/shapes.ts';
import { findRecord } from '../service/find-record.ts';
import type { Session } from '../service/session.ts';

/**
 * The record as it is before a command may pay for the picture, so that only what it adds counts; null for a new picture, and for a key
 * that may not read.
 */
export async function earlierRecord({ easel, signal }: Session, mediaId: string): Promise<ImageRecord | null> {
  return await findRecord(easel, mediaId, { signal }).catch((error: unknown) => {
    if (error instanceof EaselError && error.code === 'forbidden') return null;
    throw error;
  });
}
