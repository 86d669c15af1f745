import type { Service } from '../service/service.ts';

interface QueueDeps {
  readonly service: Service;
  readonly signal: AbortSignal;
  /** The positions of images in the queue, as they are now. */
  readonly onRead: (positions: ReadonlyMap<string, number | null>) => void;
}

/** Milliseconds in which changes of the queue count as one. */
const SETTLING_MS = 700;
/** The most that one reading gives; who waits behind these is not near to its turn. */
const LIMIT = '100';

/**
 * Reads the positions in the queue again after it has changed: no event says that those who wait have moved up. Returns the function to
 * call when it has.
 */
export function watchQueue({ service, signal, onRead }: QueueDeps): () => void {
  let timer: ReturnType<typeof setTimeout> | undefined;
  signal.addEventListener('abort', () => clearTimeout(timer));
  const read = async () => {
    timer = undefined;
    try {
      const { items } = await service.list(new URLSearchParams({ status: 'queued', limit: LIMIT }), signal);
      onRead(new Map(items.map(({ mediaId, queuePosition }) => [mediaId, queuePosition])));
    } catch {
      // The next change of the queue brings another try.
    }
  };
  return () => {
    timer ??= setTimeout(read, SETTLING_MS);
  };
}
