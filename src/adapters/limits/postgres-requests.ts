import type { RequestCounters } from '../../core/ports/request-counters.ts';
import type { PostgresDatabase } from '../postgres/database.ts';

/** Windows that have ended are removed at this interval, by the next request. */
const SWEEP_INTERVAL_MS = 60_000;

/**
 * Counts the requests of all replicas, with one statement a request and the database's clock. The limiter of rate-limiter-flexible does the
 * same by the clocks of the processes, which differ, and makes its table itself.
 */
export function createRequestCounters(database: Pick<PostgresDatabase, 'write'>): RequestCounters {
  let sweptAt = performance.now();

  function sweepSometimes(): void {
    if (performance.now() - sweptAt < SWEEP_INTERVAL_MS) return;
    sweptAt = performance.now();
    // The next one does it where this fails.
    database.write(SWEEP).catch(() => undefined);
  }

  return {
    async count(client, windowMs) {
      const [row] = await database.write(COUNT, [client, windowMs]);
      sweepSometimes();
      return { current: Number(row?.current), ttl: Number(row?.ttl) };
    },
  };
}

const WINDOW = `$2 * interval '1 millisecond'`;
/** A window that ends too late is from before the clock was set back; the margin is for a statement that waited for another. */
const IS_OPEN = `(known.ends_at > now() AND known.ends_at < now() + 2 * ${WINDOW})`;

const COUNT = `
  INSERT INTO easel.request_counts AS known VALUES ($1, 1, now() + ${WINDOW})
  ON CONFLICT (client) DO UPDATE SET
    current = CASE WHEN ${IS_OPEN} THEN known.current + 1 ELSE 1 END,
    ends_at = CASE WHEN ${IS_OPEN} THEN known.ends_at ELSE now() + ${WINDOW} END
  RETURNING current, ceil(extract(epoch FROM ends_at - now()) * 1000)::float8 AS ttl`;

const SWEEP = `DELETE FROM easel.request_counts WHERE ends_at < now()`;
