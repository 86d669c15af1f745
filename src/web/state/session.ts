import type { Identity } from '../service/types.ts';
import { createStore, type Store, untilStore } from './store.ts';

export type Scope = Identity['scopes'][number];

export interface SessionState {
  /** The API key; null for none. */
  readonly key: string | null;
  /** Null until it is known. */
  readonly identity: Identity | null;
  /** Set while a key is asked for: why. It stays set while the typed key is checked. */
  readonly asking: 'missing' | 'refused' | 'forgotten' | null;
  /** Whether a key was typed, and the service has not said yet whether it takes it. */
  readonly isChecking: boolean;
}

/** The API key of the page: kept in memory and `sessionStorage`, in `localStorage` only where that was asked for. */
export interface Session extends Pick<Store<SessionState>, 'get' | 'subscribe'> {
  /** Takes this key for checking: the answer comes by `identify` or `refuse`. With `remember` it is kept on this device. */
  readonly use: (key: string, remember: boolean) => void;
  /** Removes the key from memory and from both storages, and asks for one. What waits for a key is given up. */
  readonly forget: () => void;
  /** Call with the answer of `GET /whoami` to this key: the key is good, and is stored. */
  readonly identify: (key: string | null, identity: Identity) => void;
  /** Call where the service answered 401 to this key: asks for another one, unless there is one already. */
  readonly refuse: (key: string | null) => void;
  /** Resolves when there is a key that was not refused. Rejects with an `AbortError` when the signal fires, or the key is forgotten. */
  readonly whenAdmitted: (signal?: AbortSignal) => Promise<void>;
  /** Fires when the key is forgotten: what was asked with it must not go on with the next one. */
  readonly untilForgotten: () => AbortSignal;
}

const STORAGE_KEY = 'easel.key';

/** Creates the session with the key that is stored, if any. Forgotten in one tab, a key that the device remembered is in all of them. */
export function createSession(): Session {
  const state = createStore<SessionState>({ key: readStored(), identity: null, asking: null, isChecking: false });
  let remembers = false;
  let forgetting = new AbortController();

  const forget = () => {
    for (const storage of [() => sessionStorage, () => localStorage]) attempt(() => storage().removeItem(STORAGE_KEY));
    state.set({ key: null, identity: null, asking: 'forgotten', isChecking: false });
    forgetting.abort(new DOMException('the key was forgotten', 'AbortError'));
    forgetting = new AbortController();
  };

  addEventListener('storage', ({ key, oldValue, newValue, storageArea }) => {
    if (key !== STORAGE_KEY || storageArea !== attempt(() => localStorage)) return;
    const { key: current, asking } = state.get();
    if (newValue === null && oldValue === current) forget();
    if (newValue !== null && asking !== null) session.use(newValue, false);
  });

  const session: Session = {
    get: state.get,
    subscribe: state.subscribe,
    use(key, remember) {
      remembers = remember;
      state.set({ ...state.get(), key, identity: null, isChecking: true });
    },
    forget,
    identify(key, identity) {
      if (state.get().key !== key) return;
      if (key !== null && state.get().isChecking) {
        attempt(() => sessionStorage.setItem(STORAGE_KEY, key));
        if (remembers) attempt(() => localStorage.setItem(STORAGE_KEY, key));
      }
      state.set({ key, identity, asking: null, isChecking: false });
    },
    refuse(key) {
      const before = state.get();
      if (before.key !== key) return;
      const reason = key === null ? (before.asking ?? 'missing') : 'refused';
      state.set({ ...before, asking: reason, isChecking: false });
    },
    whenAdmitted(signal) {
      const signals = signal === undefined ? [forgetting.signal] : [forgetting.signal, signal];
      return untilStore(state, ({ asking }) => asking === null, AbortSignal.any(signals));
    },
    untilForgotten: () => forgetting.signal,
  };
  return session;
}

/** Whether the key may do what needs this scope; as long as it is not known, what needs one is not offered. */
export function may({ identity }: Pick<SessionState, 'identity'>, scope: Scope): boolean {
  return identity?.scopes.includes(scope) ?? false;
}

function readStored(): string | null {
  return attempt(() => sessionStorage.getItem(STORAGE_KEY)) ?? attempt(() => localStorage.getItem(STORAGE_KEY)) ?? null;
}

/** A browser may refuse storage altogether; the key then lives as long as the page. */
function attempt<Result>(use: () => Result): Result | undefined {
  try {
    return use();
  } catch {
    return undefined;
  }
}
