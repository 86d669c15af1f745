import type { Identity } from '../service/types.ts';
import { createStore, type Store } from './store.ts';

export type Scope = Identity['scopes'][number];

export interface SessionState {
  /** The API key; null for none. */
  readonly key: string | null;
  /** Null until it is known. */
  readonly identity: Identity | null;
  /** Set while a key is asked for: why. */
  readonly asking: 'missing' | 'refused' | null;
}

/** The API key of the page: kept in memory and `sessionStorage`, in `localStorage` only where that was asked for. */
export interface Session extends Pick<Store<SessionState>, 'get' | 'subscribe'> {
  /** Uses this key from now on; with `remember` on this device until it is forgotten. */
  readonly use: (key: string, remember: boolean) => void;
  /** Removes the key from memory and from both storages, and asks for one. */
  readonly forget: () => void;
  /** Call with the answer of `GET /whoami`. */
  readonly identify: (identity: Identity) => void;
  /** Asks for another key, since `refused` was not taken; resolves when there is one. */
  readonly renew: (refused: string | null, signal?: AbortSignal) => Promise<void>;
}

const STORAGE_KEY = 'easel.key';

/** Creates the session with the key that is stored, if any. */
export function createSession(): Session {
  const state = createStore<SessionState>({ key: readStored(), identity: null, asking: null });
  return {
    get: state.get,
    subscribe: state.subscribe,
    use(key, remember) {
      store(() => sessionStorage.setItem(STORAGE_KEY, key));
      if (remember) store(() => localStorage.setItem(STORAGE_KEY, key));
      state.set({ key, identity: null, asking: null });
    },
    forget() {
      for (const storage of [() => sessionStorage, () => localStorage]) store(() => storage().removeItem(STORAGE_KEY));
      state.set({ key: null, identity: null, asking: 'missing' });
    },
    identify(identity) {
      state.set({ ...state.get(), identity });
    },
    async renew(refused, signal) {
      // Another request may have got a new key already.
      if (state.get().key !== refused) return;
      if (state.get().asking === null) state.set({ ...state.get(), asking: refused === null ? 'missing' : 'refused' });
      await new Promise<void>((resolve, reject) => {
        const unsubscribe = state.subscribe(() => {
          if (state.get().asking !== null) return;
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
}

/** Whether the key may do what needs this scope; as long as it is not known, what needs one is not offered. */
export function may({ identity }: Pick<SessionState, 'identity'>, scope: Scope): boolean {
  return identity?.scopes.includes(scope) ?? false;
}

function readStored(): string | null {
  try {
    return sessionStorage.getItem(STORAGE_KEY) ?? localStorage.getItem(STORAGE_KEY);
  } catch {
    return null;
  }
}

/** A browser may refuse storage altogether; the key then lives as long as the page. */
function store(write: () => void): void {
  try {
    write();
  } catch {}
}
