import type { Logger } from 'pino';
import { ImageError } from '../../core/domain/errors.ts';
import type { Locks } from '../../core/ports/locks.ts';
import {
  type CallLimits,
  type CallLimitsListener,
  MAX_PAUSE_MS,
  type SharedCallLimits,
  type Turn,
} from '../../core/ports/shared-call-limits.ts';
import type { PostgresDatabase } from '../postgres/database.ts';
import type { PostgresSession } from '../postgres/session.ts';
import { countStart, REMAINING_MS } from './call-starts.ts';

/** The limits of the calls to all providers over the replicas of one database. */
export interface PostgresCallLimits {
  /** Those of one provider, which is asked for once. */
  of(provider: string, limits: CallLimits): SharedCallLimits;
  /** Listens no more. */
  close(): void;
}

/** A place of a call under way. */
interface Place extends Disposable {
  /** Takes it again where the connection that held it was lost. */
  retake(): Promise<void>;
}

/** Payload: the name of a provider of which a place became free. */
const FREED = 'easel_places';
/** Payload: the name of a provider that was paused. */
const PAUSED = 'easel_pauses';

/** A replica that is killed frees its places without a notice. */
const POLL_MS = 1_000;

/**
 * Opens the limits. The places of a provider with a concurrency limit are locks of the session, so that those of a replica that dies are
 * free as soon as PostgreSQL notices. Where the connection of a session is lost, its calls under way take places again once it is made
 * anew; meanwhile other replicas may begin as many calls more.
 */
export async function openCallLimits({
  database,
  session,
  locks,
  log,
}: {
  readonly database: PostgresDatabase;
  readonly session: Pick<PostgresSession, 'listen'>;
  readonly locks: Locks;
  readonly log: Logger;
}): Promise<PostgresCallLimits> {
  const listeners = new Map<string, CallLimitsListener>();
  const held = new Set<Place>();
  let retaking = Promise.resolve();
  let isClosed = false;
  let isReachable = true;

  function noteReachable(now: boolean, error?: unknown): void {
    if (isReachable === now) return;
    isReachable = now;
    if (now) log.info('calls to providers begin again');
    else log.warn({ reason: (error as Error).message }, 'no call to a provider begins until PostgreSQL can be reached');
  }

  /** Tells each provider's throttle of a pause that another replica may have written. */
  async function readPauses(): Promise<void> {
    const rows = await database
      .read(`SELECT provider, ${REMAINING_MS} AS ms FROM easel.call_pauses WHERE until > clock_timestamp()`)
      // A call asks for the pause once more before it begins.
      .catch(() => []);
    for (const { provider, ms } of rows) listeners.get(String(provider))?.paused(Number(ms));
  }

  const stops = [
    await session.listen(FREED, {
      message: (provider) => listeners.get(provider)?.freed(),
      reconnected() {
        retaking = retakePlaces();
      },
    }),
    await session.listen(PAUSED, { message: () => void readPauses(), reconnected: () => void readPauses() }),
  ];

  /** Takes places again for the calls under way, as far as there are any left. */
  async function retakePlaces(): Promise<void> {
    for (const place of held) await place.retake().catch(() => undefined);
    for (const listener of listeners.values()) listener.freed();
  }

  function notify(channel: string, provider: string): void {
    // Where it fails, the others find out when they poll.
    database.write('SELECT pg_notify($1, $2)', [channel, provider]).catch(() => undefined);
  }

  /** Takes one of the places; null where there is none. Begins anywhere, as the first ones are the likeliest to be taken. */
  async function takePlace(provider: string, concurrency: number): Promise<AsyncDisposable | null> {
    const first = Math.floor(Math.random() * concurrency);
    for (let index = 0; index < concurrency; index += 1) {
      const lock = await locks.tryLock(`slot ${provider} ${(first + index) % concurrency}`);
      if (lock !== null) return lock;
    }
    return null;
  }

  function holdPlace(provider: string, concurrency: number, first: AsyncDisposable): Place {
    let lock: AsyncDisposable | null = first;
    let isOver = false;
    const place: Place = {
      async retake() {
        await lock?.[Symbol.asyncDispose]();
        lock = null;
        const next = await takePlace(provider, concurrency);
        if (isOver) await next?.[Symbol.asyncDispose]();
        else lock = next;
      },
      [Symbol.dispose]() {
        if (isOver) return;
        isOver = true;
        held.delete(place);
        void Promise.resolve(lock?.[Symbol.asyncDispose]()).then(() => {
          if (!isClosed) notify(FREED, provider);
        });
      },
    };
    held.add(place);
    return place;
  }

  /** Takes a place, then counts the start. A place that must wait for that is given back without a notice, which would go round. */
  async function tryBegin(provider: string, { concurrency, perMinute }: CallLimits): Promise<Turn> {
    await retaking;
    await using taken = new AsyncDisposableStack();
    if (concurrency !== null) {
      const lock = await takePlace(provider, concurrency);
      if (lock === null) return { waitMs: POLL_MS, pausedMs: 0 };
      taken.use(lock);
    }
    const answer = await countStart(database, provider, perMinute);
    if (answer.waitMs > 0) return answer;
    return { place: concurrency === null ? NO_PLACE : holdPlace(provider, concurrency, taken.move()) };
  }

  /** The pause holds here already; the others begin no call once it is written. */
  async function writePause(provider: string, ms: number): Promise<void> {
    const until = performance.now() + Math.min(ms, MAX_PAUSE_MS);
    for (let tries = 0; !isClosed; tries += 1) {
      const left = until - performance.now();
      if (left <= 0) return;
      try {
        await database.write(WRITE_PAUSE, [provider, left, PAUSED]);
        return;
      } catch (error) {
        if (tries === 0) log.warn({ provider, reason: (error as Error).message }, 'a pause has not reached the others');
      }
      await new Promise((resolve) => setTimeout(resolve, POLL_MS).unref());
    }
  }

  return {
    of: (provider, limits) => ({
      async tryBegin() {
        try {
          const turn = await tryBegin(provider, limits);
          noteReachable(true);
          return turn;
        } catch (error) {
          if (!(error instanceof ImageError)) throw error;
          noteReachable(false, error);
          return { waitMs: POLL_MS, pausedMs: 0 };
        }
      },
      pause: (ms) => void writePause(provider, ms),
      onChange: (listener) => void listeners.set(provider, listener),
    }),
    close() {
      isClosed = true;
      for (const stop of stops) stop();
    },
  };
}

const NO_PLACE: Disposable = { [Symbol.dispose]: () => undefined };

const WRITE_PAUSE = `
  WITH pause AS (
    INSERT INTO easel.call_pauses AS known VALUES ($1, clock_timestamp() + $2 * interval '1 millisecond')
    ON CONFLICT (provider) DO UPDATE
      SET until = least(greatest(known.until, excluded.until), clock_timestamp() + interval '5 minutes')
  )
  SELECT pg_notify($3, $1)`;
