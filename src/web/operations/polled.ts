import { useEffect, useState } from 'preact/hooks';
import { ServiceError } from '../service/service-error.ts';
import { usePage } from '../state/page.ts';

export interface Polled<Value> {
  /** The newest answer; it stays when a later one fails. */
  readonly value: Value | null;
  readonly error: ServiceError | null;
  readonly readAgain: () => void;
}

/** Reads a path of the API now and every `everyMs`, while the page is shown and the service answers. */
export function usePolled<Value>(path: string, everyMs: number): Polled<Value> {
  const { service, connection } = usePage();
  const [state, setState] = useState<{ value: Value | null; error: ServiceError | null }>({ value: null, error: null });
  const [round, setRound] = useState(0);
  useEffect(() => {
    const left = new AbortController();
    let timer: ReturnType<typeof setTimeout> | undefined;
    const poll = async () => {
      try {
        await connection.whenBack(left.signal);
        if (!document.hidden) {
          const [route = '', search = ''] = path.split('?', 2);
          const value = await service.json<Value>(route, { query: new URLSearchParams(search), signal: left.signal });
          setState({ value, error: null });
        }
      } catch (error) {
        if (left.signal.aborted) return;
        // The banner says that the service cannot be reached.
        if (error instanceof ServiceError && error.problem !== null) setState(({ value }) => ({ value, error }));
      }
      if (!left.signal.aborted) timer = setTimeout(poll, everyMs);
    };
    void poll();
    return () => {
      left.abort();
      clearTimeout(timer);
    };
  }, [path, everyMs, round]);
  return { ...state, readAgain: () => setRound((before) => before + 1) };
}
