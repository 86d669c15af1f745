import { useCallback, useEffect, useRef, useState } from 'preact/hooks';
import { ServiceError } from '../service/service-error.ts';
import type { KnownImage } from '../state/images.ts';
import { usePage } from '../state/page.ts';
import { useStore } from '../state/store.ts';
import { linksExpireAt } from './picture-text.ts';

export type PictureState =
  | { readonly name: 'reading' }
  | { readonly name: 'shown'; readonly known: KnownImage }
  /** It was shown, and is there no longer. */
  | { readonly name: 'deleted' }
  | { readonly name: 'failed'; readonly error: unknown };

interface Picture {
  readonly state: PictureState;
  /** Reads the record again; what is shown stays meanwhile. */
  readonly readAgain: () => void;
}

/** Milliseconds before the end of signed links at which new ones are read, and the longest that a timer can wait. */
const LINK_MARGIN_MS = 60_000;
const LONGEST_TIMER_MS = 2 ** 31 - 1;
/** Milliseconds between two looks at the place in the queue while other pictures move on. */
const QUEUE_GAP_MS = 1000;

/** Reads a picture, keeps it up to date by events, and reads it again where events may have been missed. */
export function usePicture(mediaId: string): Picture {
  const { images, session } = usePage();
  const { key } = useStore(session);
  const known = useStore(images.of(mediaId));
  const { error, readAgain } = useReading(mediaId, key);
  const wasShown = useRef(false);
  if (known !== null) wasShown.current = true;
  const isMissing = error instanceof ServiceError && error.problem?.code === 'not_found';

  useEffect(() => {
    return images.listen((event) => {
      const isNewAgain = event.type === 'created' && event.data.mediaId === mediaId;
      if (event.type === 'reset' || isNewAgain) readAgain();
    });
  }, [mediaId]);
  useQueuePlace(mediaId, known, readAgain);
  useFreshLinks(known, readAgain);

  return { state: stateOf(), readAgain };

  function stateOf(): PictureState {
    if (wasShown.current && (known === null || isMissing)) return { name: 'deleted' };
    if (known !== null) return { name: 'shown', known };
    return error === null ? { name: 'reading' } : { name: 'failed', error };
  }
}

/** Reads the record at first, for another key, and on `readAgain`. A service that cannot be reached is asked again when it is back. */
function useReading(mediaId: string, key: string | null) {
  const { service, images, connection } = usePage();
  const [error, setError] = useState<unknown>(null);
  const [turn, setTurn] = useState(0);
  const readAgain = useCallback(() => setTurn((turn) => turn + 1), []);

  useEffect(() => {
    const reading = new AbortController();
    const { signal } = reading;
    const read = async () => {
      for (;;) {
        const before = images.of(mediaId).get();
        const { record } = await service.read(mediaId, signal);
        // An event that came meanwhile may be newer than what was read.
        if (images.of(mediaId).get() !== before) continue;
        images.note(record);
        return;
      }
    };
    const readUntilAnswered = async () => {
      try {
        await read();
        setError(null);
      } catch (error) {
        if (signal.aborted) return;
        setError(error);
        if (!connection.get().isLost) return;
        await connection.whenBack(signal);
        readAgain();
      }
    };
    readUntilAnswered().catch(() => {});
    return () => reading.abort();
  }, [mediaId, key, turn]);
  return { error, readAgain };
}

/** Reads the place of a waiting picture again when others move on: no event says it. */
function useQueuePlace(mediaId: string, known: KnownImage | null, readAgain: () => void): void {
  const { images } = usePage();
  const isQueued = known?.record.status === 'queued';
  useEffect(() => {
    if (!isQueued) return;
    let timer: ReturnType<typeof setTimeout> | undefined;
    const stop = images.listen(({ type, data }) => {
      const isOther = 'mediaId' in data && data.mediaId !== mediaId;
      if (!isOther || (type !== 'status' && type !== 'done' && type !== 'deleted')) return;
      timer ??= setTimeout(() => {
        timer = undefined;
        readAgain();
      }, QUEUE_GAP_MS);
    });
    return () => {
      clearTimeout(timer);
      stop();
    };
  }, [mediaId, isQueued]);
}

/** Reads a record with signed links again shortly before they expire. */
function useFreshLinks(known: KnownImage | null, readAgain: () => void): void {
  const expiresAt = known && linksExpireAt(known.record);
  useEffect(() => {
    if (expiresAt === null) return;
    const leftMs = Math.max(1000, Date.parse(expiresAt) - Date.now() - LINK_MARGIN_MS);
    const timer = setTimeout(readAgain, Math.min(leftMs, LONGEST_TIMER_MS));
    return () => clearTimeout(timer);
  }, [expiresAt]);
}
