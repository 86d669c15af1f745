import { useEffect, useState } from 'preact/hooks';
import { ServiceError } from '../service/service-error.ts';
import type { RequestPreview } from '../service/types.ts';
import { usePage } from '../state/page.ts';
import { type Draft, filesOf, isDescribed, toRequest } from './draft.ts';

export interface LivePreview {
  /** The newest answer; it stays while a newer one is on its way, or fails. */
  readonly preview: RequestPreview | null;
  readonly error: ServiceError | null;
  readonly isLoading: boolean;
}

/** Milliseconds without a key stroke after which the preview is asked for. */
const PAUSE_MS = 350;

/** What the draft would do, asked of the service whenever it has changed and says what to show; null where the key may not ask. */
export function useLivePreview(draft: Draft | null): LivePreview {
  const { service, connection } = usePage();
  const [state, setState] = useState<LivePreview>({ preview: null, error: null, isLoading: false });
  useEffect(() => {
    if (draft === null || !isDescribed(draft)) {
      setState({ preview: null, error: null, isLoading: false });
      return;
    }
    const outdated = new AbortController();
    const ask = async () => {
      setState((before) => ({ ...before, isLoading: true }));
      try {
        // The name that is taken already is no matter of what it would look like.
        const { mediaId, ...request } = toRequest(draft);
        const preview = await service.preview(
          request as typeof request & { mediaId?: string },
          filesOf(draft),
          outdated.signal,
        );
        setState({ preview, error: null, isLoading: false });
      } catch (error) {
        if (!(error instanceof ServiceError)) return;
        setState((before) => ({ ...before, error: error.problem === null ? null : error, isLoading: false }));
        if (error.problem !== null) return;
        await connection.whenBack(outdated.signal).then(ask, () => {});
      }
    };
    const timer = setTimeout(ask, PAUSE_MS);
    return () => {
      clearTimeout(timer);
      outdated.abort();
    };
  }, [draft]);
  return state;
}
