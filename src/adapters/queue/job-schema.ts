/** How jobs are kept in PostgreSQL by pg-boss. */

import { createHash } from 'node:crypto';
import type { PgBoss, QueuePolicy } from 'pg-boss';

/** The schema of pg-boss in the database, its own, so that it meets neither Easel's tables nor another program's pg-boss. */
export const JOB_SCHEMA = 'easel_jobs';

/** The queues of images: one makes them, the other their deferred renditions. */
export const IMAGE_JOBS = 'images';
export const DEFERRED_JOBS = 'deferred';
export type QueueName = typeof IMAGE_JOBS | typeof DEFERRED_JOBS;

/** Where pg-boss puts the jobs that were lost with their process too often. */
export const DEAD_LETTERS = 'dead-letters';

/**
 * Without a heartbeat for so many seconds a job is taken from the process that ran it. It is the least that pg-boss allows, and with two
 * seconds for the supervisor and one for the poll it keeps a takeover within 15 s.
 */
export const HEARTBEAT_SECONDS = 10;

/**
 * So many times a job may be lost with its process before it becomes a dead letter. A process that is killed for other reasons loses
 * jobs too, and so a job that does no harm must have many lives; one that kills its process has cost each replica a few of them.
 */
const LOSSES = 20;

/** pg-boss ends what takes longer; it allows no more. */
const LONGEST_RUN_SECONDS = 86_400;
/** pg-boss deletes what has waited for longer: never, as accepted images are not lost. Ten years, in seconds. */
const LONGEST_WAIT_SECONDS = 315_360_000;

/** The channel on which processes hear that jobs wait, with the queue's name: that of pg-boss, which derives it from the schema's, too. */
export const WAKE_CHANNEL = `pgboss_${createHash('sha224').update(JOB_SCHEMA).digest('hex').slice(0, 24)}`;

/** Creates the queue in the database where it is not there. */
export async function createQueue(boss: PgBoss, name: string, policy: QueuePolicy): Promise<void> {
  const isDead = name === DEAD_LETTERS;
  await boss.createQueue(name, {
    policy,
    // Notices are sent after the commit: see notices.ts.
    notify: false,
    retryLimit: LOSSES,
    retryDelay: 0,
    expireInSeconds: LONGEST_RUN_SECONDS,
    retentionSeconds: LONGEST_WAIT_SECONDS,
    deleteAfterSeconds: 60,
    heartbeatSeconds: HEARTBEAT_SECONDS,
    ...(isDead ? {} : { deadLetter: DEAD_LETTERS }),
  });
}
