import { ProviderError } from '../../../core/domain/errors.ts';
import type { ReceivedBytes } from '../../../core/ports/provider.ts';
import { createThreadPool } from '../../threads/pool.ts';
import type { Painting } from './painting.ts';

/** Paints a placeholder. Raises `ProviderError` with `overloaded` where that fails. */
export type Paint = (painting: Painting) => Promise<ReceivedBytes>;

/** Threads that paint, at most `maxThreads`, one painting each: choosing the colours of a million pixels is not for the event loop. */
export function openPaintingThreads(maxThreads: number): { readonly paint: Paint; close(): Promise<void> } {
  const worker = new URL('./painting-worker.ts', import.meta.url);
  const pool = createThreadPool<Painting, ReceivedBytes>({ worker, maxThreads });
  return {
    async paint(painting) {
      try {
        return await pool.run(painting);
      } catch (error) {
        if (error instanceof ProviderError) throw error;
        throw new ProviderError('overloaded', 'the placeholder could not be painted', { cause: error });
      }
    },
    close: () => pool.close(),
  };
}
