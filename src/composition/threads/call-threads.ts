import { availableParallelism } from 'node:os';
import { extname } from 'node:path';
import { createCallThreads } from '../../adapters/providers/threads/call-threads.ts';
import type { CallResult, CallTask } from '../../adapters/providers/threads/messages.ts';
import { createThreadPool } from '../../adapters/threads/pool.ts';
import type { Tracer } from '../../core/ports/tracer.ts';
import type { SecretMask } from '../../security/secret-mask.ts';
import type { OpenProviderCalls, ProviderCallsData } from './provider-calls.ts';

export interface CallThreadOptions extends ProviderCallsData {
  readonly tracer: Pick<Tracer, 'traceparent'>;
  readonly secrets: Pick<SecretMask, 'known' | 'onLearn'>;
}

/** The threads on which provider calls are made. */
export interface CallThreads extends OpenProviderCalls {
  /** Threads that are running now. */
  readonly threadCount: number;
}

/** A thread without a call ends after so many milliseconds: a moment without work is not to cost the next call the start of one. */
const IDLE_MS = 15_000;

/** Calls wait for their servers nearly all of the time, so that a thread has room for any number. `CONCURRENCY` is what bounds them. */
const CALLS_PER_THREAD = 100_000;

/** Makes the threads; none is started before the first call. */
export function openCallThreads({ tracer, secrets, providers, maxResponseBytes }: CallThreadOptions): CallThreads {
  const pool = createThreadPool<CallTask, CallResult>({
    worker: new URL(`./call-thread${extname(import.meta.url)}`, import.meta.url),
    // Receiving and decoding a picture takes less than a quarter of the time that finishing it takes.
    maxThreads: Math.ceil(availableParallelism() / 4),
    concurrentTasksPerWorker: CALLS_PER_THREAD,
    idleMs: IDLE_MS,
    workerData: { providers, maxResponseBytes } satisfies ProviderCallsData,
  });
  return {
    callsOf: createCallThreads({ pool, tracer, secrets }),
    close: () => pool.close(),
    get threadCount() {
      return pool.threadCount;
    },
  };
}
