import { extname } from 'node:path';
import { ProviderError } from '../../../core/domain/errors.ts';
import type { ReceivedBytes } from '../../../core/ports/provider.ts';
import { ownBuffer } from '../../threads/own-buffer.ts';
import { createThreadPool } from '../../threads/pool.ts';
import type { StartingPictures } from './edit.ts';
import type { Painting } from './painting.ts';

/**
 * Paints a placeholder. The pictures that it starts from may be empty afterwards. Raises `ProviderError` with `overloaded` where
 * that fails.
 */
export type Paint = (painting: Painting) => Promise<ReceivedBytes>;

/** Threads that paint, at most `maxThreads`, one painting each: choosing the colours of a million pixels is not for the event loop. */
export function openPaintingThreads(maxThreads: number): { readonly paint: Paint; close(): Promise<void> } {
  const worker = new URL(`./painting-worker${extname(import.meta.url)}`, import.meta.url);
  const pool = createThreadPool<Painting, ReceivedBytes>({ worker, maxThreads });
  return {
    async paint(painting) {
      try {
        const start = painting.start && ownMemory(painting.start);
        const pictures = start ? [...start.inputs, ...(start.mask ? [start.mask] : [])] : [];
        const transfer = [...new Set(pictures.map(({ buffer }) => buffer))];
        return await pool.run({ ...painting, ...(start && { start }) }, { transfer });
      } catch (error) {
        if (error instanceof ProviderError) throw error;
        throw new ProviderError('overloaded', 'the placeholder could not be painted', { cause: error });
      }
    },
    close: () => pool.close(),
  };
}

/** The pictures in memory that can move; one that is given several times moves once. */
function ownMemory({ inputs, mask }: StartingPictures) {
  const owned = new Map([...inputs, ...(mask ? [mask] : [])].map((bytes) => [bytes, ownBuffer(bytes)]));
  const own = (bytes: Uint8Array) => owned.get(bytes) ?? ownBuffer(bytes);
  const [first, ...others] = inputs;
  return { inputs: [own(first), ...others.map(own)] as const, mask: mask && own(mask) };
}
