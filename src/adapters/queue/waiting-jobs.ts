import type { QueueDepth } from '../../core/ports/job-queue.ts';
import type { PostgresDatabase } from '../postgres/database.ts';
import { JOB_SCHEMA } from './job-schema.ts';
import type { Attempt } from './running-jobs.ts';

/** What the table of pg-boss says about one queue, in all processes. Every method raises `ImageError` with `storage_unavailable`. */
export interface WaitingJobs {
  /**
   * As the port promises, as `depth` does. One statement at a time answers all that was asked before it was sent: a list asks for a hundred
   * places, each request for the depth, and the statement reads the whole line.
   */
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
  const askPlaces = createBatches(places);
  const askDepth = createBatches(async () => {
    const [row] = await database.read(DEPTH, [queue]);
    return { waiting: Number(row?.waiting), running: Number(row?.running) };
  });

  async function places(mediaIds: readonly string[]): Promise<ReadonlyMap<string, number>> {
    const rows = await database.read(POSITIONS, [queue, mediaIds]);
    const found = new Map<string, number>();
    for (const { key, place } of rows) {
      if (place !== null) found.set(String(key), Number(place));
      else if (!found.has(String(key))) found.set(String(key), 1);
    }
    return found;
  }

  return {
    position: async (mediaId) => (await askPlaces(mediaId)).get(mediaId) ?? null,
    depth: () => askDepth(queue),

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

/** Has `answer` called once for all that is asked while its last call is under way, or in one turn of the event loop. */
function createBatches<T>(answer: (asked: readonly string[]) => Promise<T>): (asked: string) => Promise<T> {
  let next: { readonly asked: Set<string>; readonly answer: Promise<T> } | null = null;
  let last: Promise<unknown> = Promise.resolve();

  async function answerNext(asked: ReadonlySet<string>, before: Promise<unknown>): Promise<T> {
    await before.catch(() => undefined);
    await new Promise((resolve) => setImmediate(resolve));
    next = null;
    return await answer([...asked]);
  }

  return (one) => {
    if (next === null) {
      const asked = new Set<string>();
      next = { asked, answer: answerNext(asked, last) };
      last = next.answer;
    }
    next.asked.add(one);
    return next.answer;
  };
}
