import type { JobQueue } from '../../core/ports/job-queue.ts';
import { DEAD_LETTERS, DEFERRED_JOBS, IMAGE_JOBS, JOB_SCHEMA } from './job-schema.ts';
import type { SharedJobs } from './pg-boss.ts';

interface ReconciliationParts {
  readonly jobs: Pick<SharedJobs, 'boss' | 'database' | 'log'>;
  /** The images that should have a job. */
  readonly records: { unfinished(): Promise<readonly string[]> };
  readonly queue: Pick<JobQueue, 'enqueue'>;
  readonly now?: () => number;
}

/** For how long a job that was lost with its process too often is left alone, in milliseconds. */
export const DEAD_LETTER_MS = 3_600_000;

const WITHOUT_JOB = `
  SELECT media_id FROM unnest($1::text[]) AS unfinished(media_id)
  WHERE NOT EXISTS (
    SELECT FROM ${JOB_SCHEMA}.job WHERE name = ANY($2) AND singleton_key = media_id AND state <= 'active'
  )`;

/**
 * Sends the jobs of unfinished images that have none, which only a restored database or an operator's hand leaves behind; and tries dead
 * letters once more after an hour, so that no image stays queued for ever in silence. Once in the cluster each minute is enough.
 */
export function createReconciliation({
  jobs: { boss, database, log },
  records,
  queue,
  now = Date.now,
}: ReconciliationParts): () => Promise<void> {
  return async () => {
    const unfinished = await records.unfinished();
    const missing = await database.read(WITHOUT_JOB, [unfinished, [IMAGE_JOBS, DEFERRED_JOBS, DEAD_LETTERS]]);
    if (missing.length > 0) log.warn({ images: missing.length }, 'unfinished images had no job, and have one again');
    for (const { media_id } of missing) await queue.enqueue(String(media_id));

    const createdBefore = new Date(now() - DEAD_LETTER_MS);
    const preview = await boss.previewRedrive(DEAD_LETTERS, { createdBefore, limit: 1 });
    if (preview.total === 0) return;
    const images = await boss.redrive(DEAD_LETTERS, { createdBefore });
    log.error({ images }, 'jobs that were lost with their process twenty times are tried again; look at why it dies');
  };
}
