import { createStore, type Store, untilStore } from './store.ts';

/** Whether the service answers. */
export type ConnectionState = { readonly isLost: false } | { readonly isLost: true; readonly since: number };

/** Watches whether the service answers, from what every request sees, and asks it where nothing was heard for a while. */
export interface Connection extends Pick<Store<ConnectionState>, 'get' | 'subscribe'> {
  /** Call for every sign of life: an answer, bytes of a stream. */
  readonly noteAnswer: () => void;
  /** Call where a request got no answer. */
  readonly noteLoss: () => void;
  /** Asks now instead of at the end of the present gap. */
  readonly tryNow: () => void;
  /** Resolves at once while the service answers, else when it does again. Rejects when the signal fires. */
  readonly whenBack: (signal?: AbortSignal) => Promise<void>;
  /**
   * Calls the listener where a connection that is open may be dead without a word: the service was lost, or the machine slept. Returns the
   * function that ends this.
   */
  readonly whenDoubtful: (listener: () => void) => () => void;
}

/** The service is asked after so many milliseconds without a sign of life; with the limit below, a loss is seen within 3 s. */
const SILENCE_MS = 1000;
/** Milliseconds for its answer, until which it counts as there. */
const ANSWER_MS = 1500;
const TICK_MS = 250;
/** A page that is shown and whose clock stood still for so long has slept. */
const SLEEP_MS = 10_000;

/** While the service is lost, the gaps between questions double from the first to the longest. */
const FIRST_GAP_MS = 500;
const LONGEST_GAP_MS = 10_000;
const ANSWER_WHILE_LOST_MS = 5000;

const UP: ConnectionState = { isLost: false };

/** Creates the connection's watch. The gaps have jitter, so that many open pages do not come back at once. */
export function watchConnection(): Connection {
  const state = createStore<ConnectionState>(UP);
  const doubtful = new Set<() => void>();
  let timer: ReturnType<typeof setTimeout> | undefined;
  let gapMs = FIRST_GAP_MS;
  let isAsking = false;
  let heardAt = Date.now();
  let tickAt = Date.now();

  const ask = async () => {
    clearTimeout(timer);
    timer = undefined;
    if (isAsking) return;
    isAsking = true;
    const isThere = await isAnswering(state.get().isLost ? ANSWER_WHILE_LOST_MS : ANSWER_MS);
    isAsking = false;
    if (isThere) connection.noteAnswer();
    else if (state.get().isLost) askLater();
    else connection.noteLoss();
  };
  const askLater = () => {
    clearTimeout(timer);
    timer = setTimeout(ask, gapMs * (0.75 + Math.random() / 4));
    gapMs = Math.min(gapMs * 2, LONGEST_GAP_MS);
  };
  const doubt = () => {
    for (const listener of [...doubtful]) listener();
  };
  const tick = () => {
    const now = Date.now();
    const hasSlept = now - tickAt > SLEEP_MS;
    tickAt = now;
    // Timers of hidden pages come late, and who does not look needs no answer.
    if (document.hidden) return;
    if (hasSlept) doubt();
    if (hasSlept || (now - heardAt >= SILENCE_MS && !state.get().isLost)) void ask();
  };
  const askWhenShown = () => {
    tickAt = Date.now();
    if (!document.hidden) void ask();
  };

  const connection: Connection = {
    get: state.get,
    subscribe: state.subscribe,
    noteAnswer() {
      heardAt = Date.now();
      clearTimeout(timer);
      timer = undefined;
      gapMs = FIRST_GAP_MS;
      state.set(UP);
    },
    noteLoss() {
      if (state.get().isLost) return;
      state.set({ isLost: true, since: Date.now() });
      doubt();
      askLater();
    },
    tryNow() {
      if (timer !== undefined) void ask();
    },
    whenBack: (signal) => untilStore(state, ({ isLost }) => !isLost, signal),
    whenDoubtful(listener) {
      doubtful.add(listener);
      return () => doubtful.delete(listener);
    },
  };
  setInterval(tick, TICK_MS);
  for (const name of ['online', 'offline', 'pageshow']) addEventListener(name, () => void ask());
  document.addEventListener('visibilitychange', askWhenShown);
  return connection;
}

/** Whether the service, or something that speaks for it, answers within this time. */
async function isAnswering(limitMs: number): Promise<boolean> {
  try {
    const answer = await fetch(new URL('health/live', document.baseURI), {
      cache: 'no-store',
      credentials: 'omit',
      priority: 'high',
      signal: AbortSignal.timeout(limitMs),
    });
    await answer.body?.cancel();
    return !isProxyError(answer);
  } catch {
    return false;
  }
}

/** Whether the answer is a proxy's own: the service behind it is not there. One that keeps its health to itself may well answer 404. */
export function isProxyError({ status, headers }: Response): boolean {
  const isProblem = headers.get('content-type')?.startsWith('application/problem+json') ?? false;
  return status >= 502 && status <= 504 && !isProblem;
}
