/** Jobs that call providers, with a scripted answer for each call and a clock that the test moves. */

import { pino } from 'pino';
import { TRAINED_ALGORITHMIC_MEDIA } from '../../../src/core/domain/digital-source.ts';
import { ImageError, type ImageErrorCode, ProviderError, type ProviderFault } from '../../../src/core/domain/errors.ts';
import type { Attempt } from '../../../src/core/domain/image.ts';
import { CATALOG } from '../../../src/core/models/catalog.ts';
import { createFallback } from '../../../src/core/upstream/fallback.ts';
import { createCallProvider } from '../../../src/core/upstream/provider-calls.ts';
import { createRetryBudget } from '../../../src/core/upstream/retry-budget.ts';
import type { RetryPolicy } from '../../../src/core/upstream/retry-policy.ts';
import { createUpstreams } from '../../../src/core/upstream/upstreams.ts';
import { exampleImage } from '../../support/app/fake-images.ts';
import { createManualClock, type ManualClock } from '../../support/test-clock.ts';

/** A call's end: a picture, or a fault, with a Retry-After in milliseconds or the parameter that was refused. */
export type Answer =
  | 'picture'
  | ProviderFault
  | { readonly fault: ProviderFault; readonly retryAfterMs?: number; readonly parameter?: string };

export interface Job {
  readonly name: string;
  /** `picture`, the code or the fault of its error, or `pending`. */
  readonly end: string;
  readonly error: unknown;
  /** When it ended, in seconds since the beginning of the test. */
  readonly endedAt: number;
  /** Provider and second of each of its calls. */
  readonly calls: readonly (readonly [provider: string, second: number])[];
  readonly aborted: AbortController;
}

export interface Calls {
  readonly clock: ManualClock;
  /** Calls of all jobs: who called, and when. */
  readonly log: readonly (readonly [job: string, second: number])[];
  readonly retries: number;
  readonly breaker: (provider?: string) => { openedBy(): ProviderFault | null };
  /** Makes the provider's throttle pause, as its Retry-After would. */
  pause(provider: string, seconds: number): void;
  /** Decides how each call from now on ends. */
  answer: (provider: string, job: string) => Answer | Promise<Answer>;
  start(
    name: string,
    options?: { readonly earlier?: readonly Attempt[]; readonly unknownBefore?: number; readonly requestedAt?: number },
  ): Promise<Job>;
  /** Sets the clock forward in steps of 50 ms, and lets the jobs go on after each. */
  seconds(count: number): Promise<void>;
}

export function setUpCalls({
  providers = ['first'],
  retriesPerMinute = 10,
  ...policy
}: Partial<RetryPolicy> & { readonly providers?: readonly string[]; readonly retriesPerMinute?: number } = {}): Calls {
  const retry = { maxAttempts: 4, deadlineMs: 600_000, ambiguousRetries: 1, ...policy };
  const clock = createManualClock();
  const began = clock.now();
  const second = () => (clock.now() - began) / 1000;
  const upstreams = createUpstreams(
    providers.map((name) => ({
      provider: {
        name,
        digitalSourceType: TRAINED_ALGORITHMIC_MEDIA,
        supportsSize: true,
        controlSequences: [],
        model: (id) => CATALOG.get(id) ?? null,
        generate: () => Promise.reject(new Error('is not called')),
        download: () => Promise.reject(new Error('is not called')),
      },
      limits: { concurrency: null, perMinute: null },
    })),
    clock,
    pino({ level: 'silent' }),
  );
  const candidates = upstreams.candidates({ ...exampleImage().request, model: 'gpt-image-2', provider: null });
  const retryBudget = createRetryBudget(retriesPerMinute, clock);
  let retries = 0;
  const telemetry = {
    providerRetry() {
      retries += 1;
    },
    accountFault() {},
  };
  const callProvider = createCallProvider({ retry, retryBudget, telemetry, clock, random: () => 0.5 });
  const callWithFallback = createFallback({ callProvider, retry, retryBudget, clock });
  const log: [string, number][] = [];

  function upstreamOf(name: string) {
    const found = candidates.find(({ upstream }) => upstream.provider.name === name);
    if (found === undefined) throw new Error(`there is no provider ${name}`);
    return found.upstream;
  }

  const calls: Calls = {
    clock,
    log,
    get retries() {
      return retries;
    },
    breaker: (name = 'first') => upstreamOf(name).breaker,
    pause: (name, seconds) => upstreamOf(name).throttle.pause(seconds * 1000),
    answer: () => 'picture',
    async start(name, { earlier = [], unknownBefore = 0, requestedAt } = {}) {
      // A moment after the calls before it.
      clock.move(1);
      const aborted = new AbortController();
      const job = {
        name,
        end: 'pending',
        error: undefined as unknown,
        endedAt: Number.NaN,
        calls: [] as [string, number][],
        aborted,
      };
      const run = callWithFallback({
        candidates,
        requestedAt: requestedAt ?? clock.now(),
        earlier,
        run: 1,
        unknownBefore,
        signal: aborted.signal,
        log: pino({ level: 'silent' }),
        async attempt({ upstream }) {
          const provider = upstream.provider.name;
          log.push([name, Math.round(second())]);
          job.calls.push([provider, Math.round(second())]);
          const answer = await calls.answer(provider, name);
          if (answer === 'picture') return;
          const { fault, ...more } = typeof answer === 'string' ? { fault: answer } : answer;
          throw new ProviderError(fault, `${provider}: ${fault}`, more);
        },
      });
      void run
        .then(
          () => 'picture',
          (error: unknown) => {
            job.error = error;
            return nameOf(error);
          },
        )
        .then((end) => Object.assign(job, { end, endedAt: Math.round(second()) }));
      await settled();
      return job;
    },
    async seconds(count) {
      await settled();
      for (let step = 0; step < count * 20; step++) {
        clock.move(50);
        await settled();
      }
    },
  };
  return calls;
}

function nameOf(error: unknown): ProviderFault | ImageErrorCode | string {
  if (error instanceof ProviderError) return error.fault;
  return error instanceof ImageError ? error.code : String(error);
}

/** Lets everything happen that can happen without the clock: neither a socket nor a timer is involved. */
async function settled(): Promise<void> {
  for (let turn = 0; turn < 3; turn++) await new Promise((resolve) => setImmediate(resolve));
}
