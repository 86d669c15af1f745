import type { QueueDepth } from '../../core/ports/job-queue.ts';
import type { PostgresDatabase } from '../postgres/database.ts';
import { JOB_SCHEMA } from './job-schema.ts';
import type { Attempt } from './running-jobs.ts';

/** What the table of pg-boss says about one queue, in all processes. Every method raises `ImageError` with `storage_unavailable`. */
export interface WaitingJobs {
  /** As the port promises. The questions of one turn of the event loop are one statement, as a list asks for a hundred places. */
  position(mediaId: string): Promise<number | null>;
  depth(): Promise<QueueDepth>;
  /** The claim under which the job runs somewhere, null where it does not, and whether it waits. */
  find(mediaId: string): Promise<{ readonly running: Attempt | null; readonly waits: boolean }>;
}

const JOBS = `${JOB_SCHEMA}.job`;

/** In the order in which pg-boss hands the jobs out. A job that waits again while it runs has its place among those that wait. */
const POSITIONS = `
  WITH line AS (
    SELECT singleton_key, 1 + count(*) FILTER (WHERE data->>'cancelled' IS NULL)
      OVER (ORDER BY priority DESC, created_on, id ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING) AS place
    FROM ${JOBS} WHERE name = $1 AND state < 'active'
  )
  SELECT singleton_key AS key, min(place) AS place FROM line WHERE singleton_key = ANY($2) GROUP BY 1
  UNION ALL
  SELECT singleton_key, NULL FROM ${JOBS} WHERE name = $1 AND state = 'active' AND singleton_key = ANY($2)`;

const DEPTH = `
  SELECT count(*) FILTER (WHERE state < 'active') AS waiting, count(*) FILTER (WHERE state = 'active') AS running
  FROM ${JOBS} WHERE name = $1 AND state <= 'active'`;

const FIND = `
  SELECT id, retry_count, state = 'active' AS runs
  FROM ${JOBS} WHERE name = $1 AND singleton_key = $2 AND state <= 'active'`;

export function createWaitingJobs(database: Pick<PostgresDatabase, 'read'>, queue: string): WaitingJobs {
  /** The places that are asked for in this turn, and the answer to come. */
  let asked: { readonly mediaIds: Set<string>; readonly places: Promise<ReadonlyMap<string, number>> } | null = null;

  async function places(mediaIds: ReadonlySet<string>): Promise<ReadonlyMap<string, number>> {
    await new Promise((resolve) => setImmediate(resolve));
    asked = null;
    const rows = await database.read(POSITIONS, [queue, [...mediaIds]]);
    const found = new Map<string, number>();
    for (const { key, place } of rows) {
      if (place !== null) found.set(String(key), Number(place));
      else if (!found.has(String(key))) found.set(String(key), 1);
    }
    return found;
  }

  return {
    async position(mediaId) {
      if (asked === null) {
        const mediaIds = new Set<string>();
        asked = { mediaIds, places: places(mediaIds) };
      }
      asked.mediaIds.add(mediaId);
      return (await asked.places).get(mediaId) ?? null;
    },

    async depth() {
      const [row] = await database.read(DEPTH, [queue]);
      return { waiting: Number(row?.waiting), running: Number(row?.running) };
    },

    async find(mediaId) {
      const rows = await database.read(FIND, [queue, mediaId]);
      const running = rows.find(({ runs }) => runs === true);
      return {
        running: running === undefined ? null : { id: String(running.id), retryCount: Number(running.retry_count) },
        waits: rows.some(({ runs }) => runs === false),
      };
    },
  };
}
