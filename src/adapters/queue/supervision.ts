import type { Logger } from 'pino';
import { HEARTBEAT_SECONDS } from './job-schema.ts';

interface SupervisionParts {
  /** Asks the database for nothing; rejects where it does not answer. */
  readonly probe: () => Promise<unknown>;
  /** For how long the kept connection has been there, in milliseconds; null while it is not. */
  readonly session: { connectedMs(): number | null };
  /** Takes jobs without a heartbeat from the processes that had them. */
  readonly boss: { supervise(): Promise<void> };
  readonly log: Logger;
  /** A clock that only goes forward, in milliseconds. */
  readonly now?: () => number;
}

/** Milliseconds between two looks. */
const INTERVAL_MS = 1_000;
/** The database, or this process, stood still for a while where two answers are so many milliseconds apart. */
const LONGEST_GAP_MS = 4_000;

/** Looks for jobs whose process has died. */
export interface Supervision {
  /** Begins; returns the function that ends it and waits for the current look. */
  start(): () => Promise<void>;
  /** One look, which `start` takes every second. */
  look(): Promise<void>;
}

/**
 * Supervises only while the database has answered for a whole heartbeat without a gap. While it could not be reached no process could
 * send a heartbeat, and all jobs would look as if theirs had died: their calls would be made, and paid for, again.
 */
export function createSupervision({
  probe,
  session,
  boss,
  log,
  now = () => performance.now(),
}: SupervisionParts): Supervision {
  /** Since when it has answered without a gap, and when it did last. */
  let since: number | null = null;
  let last = 0;

  /** Notes the end of a statement that began at `began`. */
  function answered(began: number): void {
    const at = now();
    if (since === null || began - last > LONGEST_GAP_MS || at - began > LONGEST_GAP_MS) since = at;
    last = at;
  }

  async function look(): Promise<void> {
    try {
      const began = now();
      await probe();
      answered(began);
      const connected = session.connectedMs();
      const known = since === null ? 0 : now() - since;
      if (connected === null || Math.min(connected, known) < HEARTBEAT_SECONDS * 1_000) return;
      const beganToSupervise = now();
      await boss.supervise();
      answered(beganToSupervise);
    } catch (error) {
      if (since !== null) {
        const reason = error instanceof Error ? error.message : String(error);
        log.warn(
          { reason },
          'jobs of other processes are not looked after until the database has answered for a while',
        );
      }
      since = null;
    }
  }

  return {
    look,
    start() {
      let inFlight: Promise<void> | null = null;
      const timer = setInterval(() => {
        inFlight ??= look().finally(() => {
          inFlight = null;
        });
      }, INTERVAL_MS);
      timer.unref();
      return async () => {
        clearInterval(timer);
        await inFlight;
      };
    },
  };
}
