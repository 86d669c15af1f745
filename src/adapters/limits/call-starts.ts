import { allOf, type PostgresDatabase } from '../postgres/database.ts';

/** Milliseconds until a call may begin; both 0 where it has been counted and may. */
export interface StartAnswer {
  readonly waitMs: number;
  /** Until the pause of the provider ends. */
  readonly pausedMs: number;
}

/** Remaining milliseconds of a pause. A clock that was set back makes none longer than five minutes. */
export const REMAINING_MS = `ceil(extract(epoch FROM least(until - clock_timestamp(), interval '5 minutes')) * 1000)::float8`;

/**
 * Counts the start of a call, unless the provider is paused or `perMinute` calls have begun within a minute. One after the other for each
 * provider, under an advisory lock, and by the database's clock, so that the count is exact over all processes.
 */
export async function countStart(
  database: PostgresDatabase,
  provider: string,
  perMinute: number | null,
): Promise<StartAnswer> {
  if (perMinute === null) {
    const [row] = await database.read(READ_PAUSE, [provider]);
    const pausedMs = Math.max(0, Number(row?.ms ?? 0));
    return { waitMs: pausedMs, pausedMs };
  }
  return await database.transaction(async ({ look, run }) => {
    // A statement of its own: those that follow see what the holder before has committed.
    await look('SELECT pg_advisory_xact_lock(hashtextextended($1, 0))', [`easel starts of ${provider}`]);
    const [[pause], , , [blocking]] = await allOf([
      run(READ_PAUSE, [provider]),
      run(DELETE_OLD, [provider]),
      run(CORRECT_FUTURE, [provider]),
      run(READ_BLOCKING, [provider, perMinute - 1]),
    ]);
    const pausedMs = Math.max(0, Number(pause?.ms ?? 0));
    if (pausedMs > 0) return { waitMs: pausedMs, pausedMs };
    if (blocking) return { waitMs: Math.max(1, Number(blocking.ms)), pausedMs: 0 };
    await run('INSERT INTO easel.call_starts VALUES ($1, clock_timestamp())', [provider]);
    return { waitMs: 0, pausedMs: 0 };
  });
}

const READ_PAUSE = `SELECT ${REMAINING_MS} AS ms FROM easel.call_pauses WHERE provider = $1`;

const DELETE_OLD = `
  DELETE FROM easel.call_starts WHERE provider = $1 AND started_at <= clock_timestamp() - interval '1 minute'`;

/** Starts from before the clock was set back count from now on. */
const CORRECT_FUTURE = `
  UPDATE easel.call_starts SET started_at = clock_timestamp() WHERE provider = $1 AND started_at > clock_timestamp()`;

/** The start that must be a minute old before another: with `perMinute` of 3, the third from the last. */
const READ_BLOCKING = `
  SELECT ceil(extract(epoch FROM started_at + interval '1 minute' - clock_timestamp()) * 1000)::float8 AS ms
  FROM easel.call_starts WHERE provider = $1 ORDER BY started_at DESC OFFSET $2 LIMIT 1`;
