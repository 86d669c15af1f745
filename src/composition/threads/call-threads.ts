import { availableParallelism } from 'node:os';
import { createCallThreads } from '../../adapters/providers/threads/call-threads.ts';
import type { CallResult, CallTask } from '../../adapters/providers/threads/messages.ts';
import { createThreadPool } from '../../adapters/threads/pool.ts';
import type { ProviderCalls } from '../../core/ports/provider.ts';
import type { Tracer } from '../../core/ports/tracer.ts';
import type { SecretMask } from '../../security/secret-mask.ts';
import type { CallThreadData } from './call-thread.ts';

interface CallThreadOptions extends CallThreadData {
  readonly tracer: Pick<Tracer, 'traceparent'>;
  readonly secrets: Pick<SecretMask, 'known' | 'onLearn'>;
}

/** The threads on which provider calls are made. */
export interface CallThreads {
  /** The calls of the provider with this name. */
  callsOf(provider: string): ProviderCalls;
  /** Ends the threads, and with them the calls that run and their connections. */
  close(): Promise<void>;
  /** Threads that are running now. */
  readonly threadCount: number;
}

/** A thread without a call ends after so many milliseconds: a moment without work is not to cost the next call the start of one. */
const IDLE_MS = 60_000;

/** Calls wait for their servers nearly all of the time, so that a thread has room for any number. `CONCURRENCY` is what bounds them. */
const CALLS_PER_THREAD = 100_000;

/** Makes the threads; none is started before the first call. */
export function openCallThreads({ tracer, secrets, providers, maxResponseBytes }: CallThreadOptions): CallThreads {
  const pool = createThreadPool<CallTask, CallResult>({
    worker: new URL('./call-thread.ts', import.meta.url),
    // Receiving and decoding a picture takes less than a quarter of the time that finishing it takes.
    maxThreads: Math.ceil(availableParallelism() / 4),
    concurrentTasksPerWorker: CALLS_PER_THREAD,
    idleMs: IDLE_MS,
    workerData: { providers, maxResponseBytes } satisfies CallThreadData,
  });
  return {
    callsOf: createCallThreads({ pool, tracer, secrets }),
    close: () => pool.close(),
    get threadCount() {
      return pool.threadCount;
    },
  };
}
