import { paint } from '../../src/adapters/providers/placeholder/painting.ts';
import type { Paint } from '../../src/adapters/providers/placeholder/painting-threads.ts';
import { sha256 } from '../../src/core/domain/file-names.ts';
import type { ReceivedBytes } from '../../src/core/ports/provider.ts';

/** The bytes with their checksum, as a provider hands them over. */
export function received(bytes: Uint8Array): ReceivedBytes {
  return { bytes, sha256: sha256(bytes) };
}

/** Paints placeholders on this thread. */
export const paintHere: Paint = async (painting) => received(await paint(painting));
