import { createStore, type Store } from './store.ts';

/** Whether the service answers. */
export type ConnectionState = { readonly isLost: false } | { readonly isLost: true; readonly since: number };

/** Watches whether the service answers, from what every request sees, and probes it while it does not. */
export interface Connection extends Pick<Store<ConnectionState>, 'get' | 'subscribe'> {
  /** Call for every answer. */
  readonly noteAnswer: () => void;
  /** Call where a request got none. */
  readonly noteLoss: () => void;
  /** Probes now instead of at the end of the present gap. */
  readonly tryNow: () => void;
  /** Resolves at once while the service answers, else when it does again. */
  readonly whenBack: (signal?: AbortSignal) => Promise<void>;
}

const FIRST_GAP_MS = 500;
const LONGEST_GAP_MS = 10_000;
const PROBE_TIMEOUT_MS = 5000;

const UP: ConnectionState = { isLost: false };

/** Creates the connection's watch. The gaps between probes double up to 10 s, with jitter, so that many open pages do not come back at once. */
export function watchConnection(): Connection {
  const state = createStore<ConnectionState>(UP);
  let timer: ReturnType<typeof setTimeout> | undefined;
  let gapMs = FIRST_GAP_MS;

  const probe = async () => {
    clearTimeout(timer);
    timer = undefined;
    try {
      const answer = await fetch(new URL('health/live', document.baseURI), {
        cache: 'no-store',
        credentials: 'omit',
        signal: AbortSignal.timeout(PROBE_TIMEOUT_MS),
      });
      await answer.body?.cancel();
      if (answer.ok) connection.noteAnswer();
      else waitAndProbe();
    } catch {
      waitAndProbe();
    }
  };
  const waitAndProbe = () => {
    if (!state.get().isLost) return;
    timer = setTimeout(probe, gapMs * (0.75 + Math.random() / 4));
    gapMs = Math.min(gapMs * 2, LONGEST_GAP_MS);
  };

  const connection: Connection = {
    get: state.get,
    subscribe: state.subscribe,
    noteAnswer() {
      clearTimeout(timer);
      timer = undefined;
      gapMs = FIRST_GAP_MS;
      state.set(UP);
    },
    noteLoss() {
      if (state.get().isLost) return;
      state.set({ isLost: true, since: Date.now() });
      waitAndProbe();
    },
    tryNow() {
      if (timer !== undefined) void probe();
    },
    async whenBack(signal) {
      if (!state.get().isLost) return;
      await new Promise<void>((resolve, reject) => {
        const unsubscribe = state.subscribe(() => {
          if (state.get().isLost) return;
          unsubscribe();
          resolve();
        });
        signal?.addEventListener('abort', () => {
          unsubscribe();
          reject(signal.reason);
        });
      });
    },
  };
  addEventListener('online', () => connection.tryNow());
  return connection;
}
