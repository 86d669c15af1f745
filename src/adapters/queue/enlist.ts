import type { Statements } from '../postgres/database.ts';
import { IMAGE_JOBS } from './job-schema.ts';
import type { SharedJobs } from './pg-boss.ts';

/**
 * Sends the jobs of these images inside a transaction that writes their records: both are there, or neither. Resolves to what is to be
 * called once the transaction is durable.
 */
export type Enlist = (statements: Statements, mediaIds: readonly string[]) => Promise<() => void>;

/**
 * For the record store. Processes that run jobs have notice right after the commit; of a process that is killed before, they find the jobs
 * when they look the next time. `enqueue` of the same image, which follows in this process at once, sends nothing.
 */
export function createEnlist(jobs: Pick<SharedJobs, 'boss' | 'noteSent' | 'notify'>): Enlist {
  return async (statements, mediaIds) => {
    if (mediaIds.length === 0) return () => undefined;
    const db = {
      executeSql: async (text: string, values: unknown[] = []) => ({ rows: [...(await statements.run(text, values))] }),
    };
    const sent = await jobs.boss.insert(
      IMAGE_JOBS,
      mediaIds.map((mediaId) => ({ singletonKey: mediaId })),
      { db, returnId: true },
    );
    return () => {
      // Where one waited already, `enqueue` has it count in the line again.
      if (sent?.length === mediaIds.length) jobs.noteSent(mediaIds);
      jobs.notify(IMAGE_JOBS);
    };
  };
}
