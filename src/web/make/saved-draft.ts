import { useEffect, useState } from 'preact/hooks';
import { ServiceError } from '../service/service-error.ts';
import type { ImageRecord } from '../service/types.ts';
import { usePage } from '../state/page.ts';
import { type Draft, draftOf, EMPTY_DRAFT } from './draft.ts';

interface SavedDraft {
  readonly draft: Draft;
  readonly change: (part: Partial<Draft>) => void;
  /** Begins anew. */
  readonly clear: () => void;
  /** The picture that is made again, or that is edited; null for none, and while it is read. */
  readonly origin: ImageRecord | null;
  /** Why that picture could not be read; null where it could. */
  readonly error: ServiceError | null;
}

const STORAGE_KEY = 'easel.draft';

/** Of this page, by where the form was opened: Back gives a form as it was left, its files too. */
const kept = new Map<string, Draft>();

/**
 * The draft of the form at this place: as it was left, over a reload too (without its files), else from the picture that is made again
 * (`from`) or edited (`input`), else empty.
 */
export function useSavedDraft(from: string | null, input: string | null): SavedDraft {
  const { service, images } = usePage();
  const place = `${from ?? ''} ${input ?? ''}`;
  const [draft, setDraft] = useState<Draft>(() => kept.get(place) ?? readStored(place) ?? startOf(input));
  const [origin, setOrigin] = useState<ImageRecord | null>(null);
  const [error, setError] = useState<ServiceError | null>(null);

  const save = (next: Draft) => {
    kept.set(place, next);
    store(place, next);
    setDraft(next);
  };

  useEffect(() => {
    const mediaId = from ?? input;
    if (mediaId === null) return;
    const left = new AbortController();
    const isFresh = from !== null && !kept.has(place) && readStored(place) === null;
    service.read(mediaId, left.signal).then(
      ({ record }) => {
        images.note(record);
        setOrigin(record);
        if (isFresh) save(draftOf(record));
      },
      (failure) => {
        if (failure instanceof ServiceError) setError(failure);
      },
    );
    return () => left.abort();
  }, [place]);

  return {
    draft,
    change: (part) => save({ ...(kept.get(place) ?? draft), ...part }),
    clear() {
      kept.delete(place);
      store(place, null);
      setDraft(startOf(input));
    },
    origin,
    error,
  };
}

function startOf(input: string | null): Draft {
  return input === null ? EMPTY_DRAFT : { ...EMPTY_DRAFT, inputs: [{ mediaId: input }] };
}

/** The draft of the place that is stored; files are not, since a browser cannot store them here. */
function readStored(place: string): Draft | null {
  try {
    const stored = JSON.parse(sessionStorage.getItem(STORAGE_KEY) ?? 'null');
    return stored?.place === place ? { ...EMPTY_DRAFT, ...stored.draft } : null;
  } catch {
    return null;
  }
}

function store(place: string, draft: Draft | null): void {
  try {
    if (draft === null) sessionStorage.removeItem(STORAGE_KEY);
    else {
      const inputs = draft.inputs.filter((input) => !('file' in input));
      const mask = draft.mask !== null && 'file' in draft.mask ? null : draft.mask;
      sessionStorage.setItem(STORAGE_KEY, JSON.stringify({ place, draft: { ...draft, inputs, mask } }));
    }
  } catch {
    // Without storage the draft lives as long as the page.
  }
}
