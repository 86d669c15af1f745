import { setTimeout as delay } from 'node:timers/promises';
import { PgBoss } from 'pg-boss';
import pgBossPackage from 'pg-boss/package.json' with { type: 'json' };
import type { Logger } from 'pino';
import type { PostgresDatabase } from '../postgres/database.ts';
import { createNotices } from '../postgres/notices.ts';
import type { PostgresSession } from '../postgres/session.ts';
import { createQueue, DEAD_LETTERS, DEFERRED_JOBS, IMAGE_JOBS, JOB_SCHEMA, WAKE_CHANNEL } from './job-schema.ts';
import type { Attempt } from './running-jobs.ts';
import { settledIds } from './settled-ids.ts';
import { createSupervision } from './supervision.ts';

/** What the queues, the schedule and the reconciliation of one process share: its pg-boss. */
export interface SharedJobs {
  readonly boss: PgBoss;
  readonly database: PostgresDatabase;
  readonly session: PostgresSession;
  readonly log: Logger;
  /** Calls `wake` for each notice of jobs in this queue, and when notices may have been missed. Returns the function that ends it. */
  onJobs(queue: string, wake: () => void): Promise<() => void>;
  /** Gives all processes notice of jobs in this queue. Call it once these are durable. */
  notify(queue: string): void;
  /** Sends the heartbeats of claims, on a connection that nothing else uses up. Returns the ids of those that are still held. */
  touch(queue: string, attempts: readonly Attempt[]): Promise<readonly string[]>;
  /** A number for a claim that is held, greater than those of all claims before, whatever the clock of the database does. */
  nextClaim(): Promise<number>;
  /** Begins to look for jobs of processes that have died; of many calls the first does. Not called by a process that runs no jobs. */
  supervise(): void;
  /** Calls `task` at the beginning of `close`, once, and waits for it. */
  onClose(task: () => Promise<void>): void;
  /** Notes the images whose jobs were sent in the transaction of their record. */
  noteSent(mediaIds: readonly string[]): void;
  /** Whether the job of this image was sent a moment ago by `noteSent`, which is forgotten with the answer. */
  takeSent(mediaId: string): boolean;
  /** The number of dead letters: jobs that were lost with their process so often that they wait for an hour now. */
  deadLetters(): Promise<number>;
  /** Gives unfinished jobs back to the other processes, and ends pg-boss. The database and the session are closed after it. */
  close(): Promise<void>;
}

interface PgBossOptions {
  readonly database: PostgresDatabase;
  /** For heartbeats: they must not wait until requests leave them a connection. */
  readonly heartbeats: PostgresDatabase;
  readonly session: PostgresSession;
  readonly log: Logger;
}

/** For how long `takeSent` knows an image, in milliseconds: the call that asks follows the transaction at once. */
const SENT_MS = 30_000;

/**
 * Opens pg-boss over the connections that this process has already, and creates or migrates its schema. Raises `NewerJobSchemaError`, or
 * `ImageError` where the server cannot be reached or does not do it at the moment.
 */
export async function openPgBoss({ database, heartbeats, session, log }: PgBossOptions): Promise<SharedJobs> {
  const boss = new PgBoss({
    db: {
      executeSql: async (text, values = []) => ({
        // A text without values may be of several statements, which pg-boss wraps in a transaction of theirs.
        rows: [...(values.length === 0 ? await database.script(text) : await database.write(text, values))],
      }),
    },
    schema: JOB_SCHEMA,
    // This process supervises by its own rules; pg-boss's interval only says how often all processes together do.
    supervise: false,
    superviseIntervalSeconds: 1,
    monitorIntervalSeconds: 1,
    maintenanceIntervalSeconds: 60,
    schedule: false,
    persistQueueStats: false,
    persistWarnings: false,
    // It would record the host's name.
    registerInstance: false,
    openTelemetry: { enabled: false },
  });
  // Without a listener an `error` would end the process. Whatever it is about is tried again.
  boss.on('error', (error) => log.warn({ reason: error.message }, 'pg-boss failed, and tries again'));
  boss.on('warning', ({ message, data }) => log.warn({ warning: message, data }, 'pg-boss warns'));

  await makeSchema(boss);

  const supervision = createSupervision({ probe: () => heartbeats.script('SELECT 1'), session, boss, log });
  const notices = createNotices(database);
  const closing: (() => Promise<void>)[] = [];
  const sent = new Map<string, number>();
  let isSupervising = false;

  return {
    boss,
    database,
    session,
    log,

    onJobs: (queue, wake) =>
      session.listen(WAKE_CHANNEL, {
        message: (name) => {
          if (name === queue) wake();
        },
        reconnected: wake,
      }),

    notify: (queue) => notices.send(WAKE_CHANNEL, queue),

    async touch(queue, attempts) {
      const db = {
        executeSql: async (text: string, values: unknown[] = []) => ({
          rows: [...(await heartbeats.write(text, values))],
        }),
      };
      return settledIds(await boss.touch(queue, [...attempts], { db }));
    },

    async nextClaim() {
      const [row] = await database.write("SELECT nextval('easel.claims') AS claim");
      return Number(row?.claim);
    },

    supervise() {
      if (isSupervising) return;
      isSupervising = true;
      closing.push(supervision.start());
    },

    onClose(task) {
      closing.push(task);
    },

    noteSent(mediaIds) {
      const now = performance.now();
      for (const [mediaId, at] of sent) {
        if (now - at < SENT_MS) break;
        sent.delete(mediaId);
      }
      for (const mediaId of mediaIds) {
        sent.delete(mediaId);
        sent.set(mediaId, now);
      }
    },

    takeSent(mediaId) {
      const at = sent.get(mediaId);
      sent.delete(mediaId);
      return at !== undefined && performance.now() - at < SENT_MS;
    },

    async deadLetters() {
      const [row] = await database.read(`SELECT count(*) AS n FROM ${JOB_SCHEMA}.job WHERE name = $1`, [DEAD_LETTERS]);
      return Number(row?.n);
    },

    async close() {
      await Promise.all(closing.splice(0).map((task) => task()));
      await notices.close();
      await boss.stop({ graceful: false });
    },
  };
}

/**
 * Creates or migrates the tables and queues. They may be made by another process at the same time, also where all take a lock for it: what
 * one that was killed has sent, the server still does.
 */
async function makeSchema(boss: PgBoss): Promise<void> {
  for (let tries = 1; ; tries += 1) {
    try {
      if (await boss.isInstalled()) {
        const version = (await boss.schemaVersion()) ?? 0;
        if (version > pgBossPackage.pgboss.schema) throw new NewerJobSchemaError(version);
      }
      await boss.start();
      await createQueue(boss, DEAD_LETTERS, 'standard');
      for (const name of [IMAGE_JOBS, DEFERRED_JOBS]) await createQueue(boss, name, 'stately');
      return;
    } catch (error) {
      if (tries === MAX_TRIES || !MADE_MEANWHILE.includes(String((error as { readonly code?: unknown }).code)))
        throw error;
      await delay(RETRY_MS);
    }
  }
}

/** Codes for what is there already: in the server's own tables, a schema, a table, a type, a function. */
const MADE_MEANWHILE = ['23505', '42P06', '42P07', '42710', '42723'];
const MAX_TRIES = 20;
const RETRY_MS = 250;

/** The jobs in the database were migrated by a newer Easel, whose pg-boss this one must not work with. */
export class NewerJobSchemaError extends Error {
  override readonly name = 'NewerJobSchemaError';

  constructor(version: number) {
    super(
      `the database has schema ${version} of a newer Easel's job queue (pg-boss), and this one knows ${pgBossPackage.pgboss.schema}; ` +
        'start the newer one',
    );
  }
}
