/** The file of a painting thread. */

import { sha256 } from '../../../core/domain/file-names.ts';
import type { ReceivedBytes } from '../../../core/ports/provider.ts';
import { ownBuffer } from '../../threads/own-buffer.ts';
import { type Outcome, threadWork } from '../../threads/thread-work.ts';
import { type Painting, paint } from './painting.ts';

export default threadWork(async (painting: Painting): Promise<Outcome<ReceivedBytes>> => {
  const bytes = ownBuffer(await paint(painting));
  return { result: { bytes, sha256: sha256(bytes) }, transfer: [bytes.buffer] };
});
