import type { Statements } from '../postgres/database.ts';
import { IMAGE_JOBS } from './job-schema.ts';
import type { SharedJobs } from './pg-boss.ts';

/**
 * Sends the jobs of these images inside a transaction that writes their records: both are there, or neither. Resolves to what is to be
 * called after the commit.
 */
export type Enlist = (statements: Statements, mediaIds: readonly string[]) => Promise<() => void>;

/**
 * For the record store. A process that runs jobs has notice with the commit. `enqueue` of the same image, which follows in this process
 * at once, then sends nothing.
 */
export function createEnlist(jobs: Pick<SharedJobs, 'boss' | 'noteSent'>): Enlist {
  return async (statements, mediaIds) => {
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
    };
  };
}
