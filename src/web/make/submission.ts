import { useRef, useState } from 'preact/hooks';
import { ServiceError } from '../service/service-error.ts';
import type { ImageRecord } from '../service/types.ts';
import { usePage } from '../state/page.ts';
import { type Draft, filesOf, toRequest } from './draft.ts';

export interface Submission {
  /** `waiting`: the service is not there; the request is sent again when it is. */
  readonly state: 'idle' | 'sending' | 'waiting';
  readonly error: ServiceError | null;
  /** Sends the draft; resolves with the accepted picture, or null where it was refused, or is being sent already. */
  readonly submit: (draft: Draft) => Promise<ImageRecord | null>;
}

/**
 * Sends drafts. A draft keeps its Idempotency-Key until it is accepted or changed, so that sending it again, by a second click or because
 * no answer came, never pays for a second picture.
 */
export function useSubmission(): Submission {
  const { service, connection } = usePage();
  const [state, setState] = useState<Submission['state']>('idle');
  const [error, setError] = useState<ServiceError | null>(null);
  const sent = useRef<{ draft: Draft; key: string } | null>(null);
  const isBusy = useRef(false);

  const submit = async (draft: Draft) => {
    if (isBusy.current) return null;
    isBusy.current = true;
    if (sent.current?.draft !== draft) sent.current = { draft, key: makeKey() };
    const { key } = sent.current;
    setError(null);
    try {
      for (;;) {
        setState('sending');
        try {
          const record = await service.create(toRequest(draft), key, filesOf(draft));
          sent.current = null;
          return record;
        } catch (failure) {
          if (!(failure instanceof ServiceError)) throw failure;
          if (failure.problem !== null) {
            setError(failure);
            return null;
          }
          setState('waiting');
          await connection.whenBack();
        }
      }
    } finally {
      isBusy.current = false;
      setState('idle');
    }
  };
  return { state, error, submit };
}

/** Random, 128 bits. `crypto.randomUUID` is missing where the page came over plain http from another machine. */
function makeKey(): string {
  return `page-${Array.from(crypto.getRandomValues(new Uint8Array(16)), (byte) => byte.toString(16).padStart(2, '0')).join('')}`;
}
