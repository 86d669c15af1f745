import { useEffect, useState } from 'preact/hooks';
import { ServiceError } from '../service/service-error.ts';
import type { ImageRecord } from '../service/types.ts';
import { usePage } from '../state/page.ts';
import { type Draft, draftOf, EMPTY_DRAFT } from './draft.ts';
import { type KeptDraft, keepDraft, keptDraft, makeSendKey } from './kept-drafts.ts';

interface SavedDraft extends KeptDraft {
  readonly change: (part: Partial<Draft>) => void;
  /** Begins anew. */
  readonly clear: () => void;
  /** The picture that is made again, or that is edited; null for none, and while it is read. */
  readonly origin: ImageRecord | null;
  /** Why that picture could not be read; null where it could. */
  readonly error: ServiceError | null;
}

/**
 * The draft of the form at this place: as it was left, over a reload too (without its files), else from the picture that is made again
 * (`from`) or edited (`input`), else empty.
 */
export function useSavedDraft(from: string | null, input: string | null): SavedDraft {
  const { service, images } = usePage();
  const place = `${from ?? ''} ${input ?? ''}`;
  const [kept, setKept] = useState<KeptDraft>(() => keptDraft(place) ?? begin(input));
  const [origin, setOrigin] = useState<ImageRecord | null>(null);
  const [error, setError] = useState<ServiceError | null>(null);

  // Another request than before, so that it is sent under a key of its own.
  const save = (draft: Draft) => {
    const next = { draft, sendKey: makeSendKey() };
    keepDraft(place, next);
    setKept(next);
  };
  const startAnew = () => {
    keepDraft(place, null);
    const record = origin;
    if (from !== null && record !== null) save(draftOf(record));
    else setKept(begin(input));
  };

  useEffect(() => {
    const mediaId = from ?? input;
    if (mediaId === null) return;
    const left = new AbortController();
    const isFresh = from !== null && keptDraft(place) === null;
    service.read(mediaId, left.signal).then(
      ({ record }) => {
        images.note(record);
        setOrigin(record);
        if (isFresh && keptDraft(place) === null) save(draftOf(record));
      },
      (failure) => {
        if (failure instanceof ServiceError) setError(failure);
      },
    );
    return () => left.abort();
  }, [place]);

  return {
    ...kept,
    change: (part) => save({ ...(keptDraft(place) ?? kept).draft, ...part }),
    clear: startAnew,
    origin,
    error,
  };
}

function begin(input: string | null): KeptDraft {
  const draft = input === null ? EMPTY_DRAFT : { ...EMPTY_DRAFT, inputs: [{ mediaId: input }] };
  return { draft, sendKey: makeSendKey() };
}
