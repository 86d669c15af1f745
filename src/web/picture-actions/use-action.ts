import { useRef, useState } from 'preact/hooks';

export interface Action {
  /** Does the work; while it is being done, further calls do nothing. */
  readonly run: (work: () => Promise<void>) => void;
  readonly isBusy: boolean;
  /** Why the last work failed; null where it did not. */
  readonly error: unknown;
}

/** One request at a time of a button, and its error. */
export function useAction(): Action {
  const isRunning = useRef(false);
  const [state, setState] = useState<{ readonly isBusy: boolean; readonly error: unknown }>({
    isBusy: false,
    error: null,
  });
  const work = async (work: () => Promise<void>) => {
    isRunning.current = true;
    setState({ isBusy: true, error: null });
    let error: unknown = null;
    try {
      await work();
    } catch (caught) {
      error = caught;
    }
    isRunning.current = false;
    setState({ isBusy: false, error });
  };
  return {
    ...state,
    run: (given) => {
      if (!isRunning.current) void work(given);
    },
  };
}
