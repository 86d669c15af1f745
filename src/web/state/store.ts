import { useEffect, useState } from 'preact/hooks';

/** A value that components watch. */
export interface Store<Value> {
  readonly get: () => Value;
  /** Sets the value and calls every listener, unless it is the same value. */
  readonly set: (value: Value) => void;
  /** Returns the function that ends the subscription. */
  readonly subscribe: (listener: () => void) => () => void;
}

/** Creates a store that holds `initial`. */
export function createStore<Value>(initial: Value): Store<Value> {
  let current = initial;
  const listeners = new Set<() => void>();
  return {
    get: () => current,
    set(value) {
      if (Object.is(value, current)) return;
      current = value;
      for (const listener of [...listeners]) listener();
    },
    subscribe(listener) {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
  };
}

/** Resolves when the store's value holds, at once where it does. Rejects with the signal's reason when it fires. */
export function untilStore<Value>(
  store: Pick<Store<Value>, 'get' | 'subscribe'>,
  holds: (value: Value) => boolean,
  signal?: AbortSignal,
): Promise<void> {
  return new Promise((resolve, reject) => {
    signal?.throwIfAborted();
    if (holds(store.get())) {
      resolve();
      return;
    }
    const end = () => {
      unsubscribe();
      signal?.removeEventListener('abort', abort);
    };
    const abort = () => {
      end();
      reject(signal?.reason);
    };
    const unsubscribe = store.subscribe(() => {
      if (!holds(store.get())) return;
      end();
      resolve();
    });
    signal?.addEventListener('abort', abort);
  });
}

/** The store's value; the component is rendered again when it changes. */
export function useStore<Value>(store: Pick<Store<Value>, 'get' | 'subscribe'>): Value {
  const [, render] = useState({});
  const value = store.get();
  useEffect(() => {
    const renderAgain = () => render({});
    // A change between the render and this effect has no listener yet.
    if (!Object.is(store.get(), value)) renderAgain();
    return store.subscribe(renderAgain);
  }, [store]);
  return value;
}
