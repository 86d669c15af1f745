/** What a service keeps its state in, as the settings of storage say: what is this process's own, or what replicas share. */

import type { Logger } from 'pino';
import type { ProviderState } from '../../core/domain/provider-state.ts';
import type { Clock } from '../../core/ports/clock.ts';
import type { ImageEvents } from '../../core/ports/image-events.ts';
import type { ListInstances } from '../../core/ports/instances.ts';
import type { JobQueue } from '../../core/ports/job-queue.ts';
import type { Locks } from '../../core/ports/locks.ts';
import type { Derive, RecordStore } from '../../core/ports/record-store.ts';
import type { RequestCounters } from '../../core/ports/request-counters.ts';
import type { FirstMark } from '../../core/retention/claim.ts';
import type { CreateQueue } from '../pipeline.ts';
import type { SharedLimits } from '../providers.ts';
import type { KeepSecret, Secrets } from './secrets.ts';

/** The records, and what goes with them. */
export interface Stores {
  readonly records: RecordStore;
  readonly locks: Locks;
  readonly events: ImageEvents;
  readonly createQueue: CreateQueue;
  readonly keepSecret: KeepSecret;
  /**
   * Does `work` every `ms` milliseconds, once among all processes over these records; failures are logged. Returns the function that stops
   * this and waits for the current run.
   */
  readonly every: (name: string, ms: number, work: () => Promise<void>) => () => Promise<void>;
  /** When the work of this name is done next, in milliseconds since 1970; null where it has not begun. */
  readonly nextRun: (name: string, ms: number) => number | null;
  /** What there is only where replicas share the records; null for a process that has them alone. */
  readonly cluster: Cluster | null;
}

/** What replicas share beside the records. */
export interface Cluster {
  /** Whether one of them has marked the folder of the pictures. */
  readonly firstMark: FirstMark;
  readonly callLimits: SharedLimits;
  readonly requestCounters: RequestCounters;
  /**
   * Enters this replica among the others, which it tells how its providers stand. Raises `StorageSetupError` where one that runs has
   * other secrets.
   */
  join(secrets: Secrets, providers: () => readonly ProviderState[]): Promise<Membership>;
  /** Queues the images that have no job although they are unfinished. One of the replicas does it now and then. */
  reconcile(queue: Pick<JobQueue, 'enqueue'>): Promise<void>;
  /** The number of jobs that were lost with their process so often that they wait for an hour now. */
  deadJobs(): Promise<number>;
}

/** The place of a replica among the others. */
export interface Membership {
  /** Whether one of them makes pictures, this one included. Raises `ImageError` with `storage_unavailable`. */
  hasMaker(): Promise<boolean>;
  /** All of them, this one included. */
  readonly list: ListInstances;
  /** Takes this one off. */
  leave(): Promise<void>;
}

/** What stores are opened with. */
export interface StoreParts {
  readonly derive: Derive;
  /** Names this process among the replicas. */
  readonly instance: string;
  readonly clock: Clock;
  readonly log: Logger;
}
