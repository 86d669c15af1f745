/** Wakes those who wait for a change. */
export interface ChangeSignal {
  /** Fires at the next change; another signal then takes its place. */
  readonly next: AbortSignal;
  fire(): void;
}

export function createChangeSignal(): ChangeSignal {
  let controller = new AbortController();
  return {
    get next() {
      return controller.signal;
    },
    fire() {
      const fired = controller;
      controller = new AbortController();
      fired.abort();
    },
  };
}
