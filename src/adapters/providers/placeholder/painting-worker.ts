/** The file of a painting thread. */

import sharp from 'sharp';
import { sha256 } from '../../../core/domain/file-names.ts';
import type { ReceivedBytes } from '../../../core/ports/provider.ts';
import { ownBuffer } from '../../threads/own-buffer.ts';
import { type Outcome, threadWork } from '../../threads/thread-work.ts';
import { type Painting, paint } from './painting.ts';

// Loading sharp gives the whole process its default settings: a cache of 50 MB, of pictures that are decoded once.
sharp.cache(false);
sharp.concurrency(1);

export default threadWork(async (painting: Painting): Promise<Outcome<ReceivedBytes>> => {
  const bytes = ownBuffer(await paint(painting));
  return { result: { bytes, sha256: sha256(bytes) }, transfer: [bytes.buffer] };
});
