import { useEffect, useRef, useState } from 'preact/hooks';
import { ServiceError } from '../service/service-error.ts';
import type { ImageRecord } from '../service/types.ts';
import { usePage } from '../state/page.ts';
import { filesOf, toRequest } from './draft.ts';
import type { KeptDraft } from './kept-drafts.ts';

export interface Submission {
  /** `waiting`: the service is not there; the request is sent again when it is. */
  readonly state: 'idle' | 'sending' | 'waiting';
  readonly error: ServiceError | null;
  /** Sends the draft; resolves with the accepted picture, or null where it was refused, is being sent already, or the form was left. */
  readonly submit: (kept: KeptDraft) => Promise<ImageRecord | null>;
  /** Forgets the error. */
  readonly clearError: () => void;
}

const FIRST_GAP_MS = 500;
const LONGEST_GAP_MS = 10_000;

/** Sends drafts, each under its own key: a second click, or sending it again because no answer came, never pays for a second picture. */
export function useSubmission(): Submission {
  const { service, connection } = usePage();
  const [state, setState] = useState<Submission['state']>('idle');
  const [error, setError] = useState<ServiceError | null>(null);
  const isBusy = useRef(false);
  const isLeft = useRef(false);
  useEffect(() => {
    isLeft.current = false;
    return () => {
      isLeft.current = true;
    };
  }, []);

  const send = async ({ draft, sendKey }: KeptDraft): Promise<ImageRecord | null> => {
    for (let gapMs = FIRST_GAP_MS; !isLeft.current; gapMs = Math.min(2 * gapMs, LONGEST_GAP_MS)) {
      setState('sending');
      try {
        const record = await service.create(toRequest(draft), sendKey, filesOf(draft));
        return isLeft.current ? null : record;
      } catch (failure) {
        // The key was forgotten meanwhile: this picture was not asked for with the next one.
        if (!(failure instanceof ServiceError)) return null;
        if (failure.problem !== null) {
          setError(failure);
          return null;
        }
        setState('waiting');
        await new Promise((resolve) => setTimeout(resolve, gapMs));
        await connection.whenBack();
      }
    }
    return null;
  };

  const submit = async (kept: KeptDraft) => {
    if (isBusy.current) return null;
    isBusy.current = true;
    setError(null);
    try {
      return await send(kept);
    } finally {
      isBusy.current = false;
      setState('idle');
    }
  };
  return { state, error, submit, clearError: () => setError(null) };
}
