import type { ProviderError } from '../../domain/errors.ts';
import type { Admission, JobOutcome } from '../circuit-breaker.ts';
import type { RetryBudget } from '../retry-budget.ts';
import { isUnbilledOutage } from '../retry-policy.ts';
import type { Candidate } from '../upstreams.ts';

/**
 * Where a job stands with a provider. `ready`: it may call as soon as the breaker is closed or admits a probe. `paused`: its next retry
 * waits for the retry budget. `waiting`: it waits out an outage, until its turn as a probe or a picture of another job, which begins a
 * new round. `over`: it does not call this provider again.
 */
type Standing = 'ready' | 'paused' | 'waiting' | 'over';

/** A server that refuses more parameters than this in one round is not called again by the job. */
export const MOST_REFUSED_PARAMETERS = 6;

/** The calls of one job to one provider, in rounds: each of them may take all the attempts that are configured. */
export interface Round {
  readonly candidate: Candidate;
  readonly standing: Standing;
  /** Calls in this round, those of an earlier process included. Calls where a parameter was refused do not count. */
  readonly calls: number;
  /**
   * Milliseconds until the job may call; infinite where it must not, or where another job has to call first. Where the provider is down,
   * the job takes its place in the line for the next probe, and keeps it until it is admitted or leaves.
   */
  waitMs(): number;
  leaveLine(): void;
  /**
   * True while it owes a retry that the retry budget puts off, which may begin within `leftMs`, and the provider is not found down: no
   * later candidate is called meanwhile. Whether it is `paused` or takes its turn as a probe makes no difference.
   */
  isHeld(leftMs: number): boolean;
  /** True while only a probe, or a picture of another job, can show that the provider works. */
  isDown(): boolean;
  /** Lets the job call, as its first call here or after a wait; null while it may not. */
  admit(): Admission | null;
  callBegins(): void;
  /** True for the first call of the round where this parameter was refused: the same call follows without it. */
  parameterRefused(name: string | null): boolean;
  callFailed(): void;
  /**
   * The job stops calling, for now or for good, after `failure`. `isPutOff`: a retry would follow if the retry budget had one left.
   * To be followed by `ended`.
   */
  stopped(failure: ProviderError, admission: Admission, isPutOff: boolean): void;
  ended(admission: Admission, outcome: JobOutcome): void;
}

export function createRound({
  candidate,
  job,
  requestedAt,
  callsBefore,
  retryBudget,
}: {
  readonly candidate: Candidate;
  readonly job: symbol;
  /** Of the clock's `monotonic`. */
  readonly requestedAt: number;
  /** Calls of the round in an earlier process. */
  readonly callsBefore: number;
  readonly retryBudget: RetryBudget;
}): Round {
  const { breaker, evidence, line } = candidate.upstream;
  let standing: Standing = 'ready';
  let calls = callsBefore;
  /** The count of pictures at the first call of the round. */
  let picturesAtFirstCall: number | null = null;
  /** The same when the job began to wait. */
  let picturesAtWait = 0;
  let lastFailure: ProviderError | null = null;
  let hasFailed = false;
  const refused = new Set<string | null>();
  let isRetryPutOff = false;

  function isOutage(): boolean {
    const isUnbilled = lastFailure !== null && isUnbilledOutage(lastFailure.fault);
    return isUnbilled && evidence.othersFailed(job, requestedAt) && evidence.pictures === picturesAtFirstCall;
  }

  function wait(): void {
    standing = 'waiting';
    picturesAtWait = evidence.pictures;
  }

  /** Takes in what has happened to other jobs since. */
  function refresh(): void {
    if (standing === 'paused' && (breaker.openedBy() !== null || isOutage())) wait();
    if (standing === 'waiting' && evidence.pictures !== picturesAtWait) {
      standing = 'ready';
      calls = 0;
      picturesAtFirstCall = null;
      hasFailed = false;
      refused.clear();
      isRetryPutOff = false;
    }
  }

  function isDown(): boolean {
    return standing === 'waiting' || (standing === 'ready' && breaker.openedBy() !== null);
  }

  function waitMs(): number {
    refresh();
    if (standing === 'over') return Number.POSITIVE_INFINITY;
    if (standing === 'paused') return retryBudget.waitMs();
    if (isDown()) {
      breaker.beginProbes();
      line.join(job);
      if (!line.isFirst(job)) return Number.POSITIVE_INFINITY;
    }
    return breaker.waitMs({ probeOnly: standing === 'waiting' });
  }

  return {
    candidate,
    get standing() {
      return standing;
    },
    get calls() {
      return calls;
    },
    waitMs,
    leaveLine: () => line.leave(job),
    isHeld(leftMs) {
      refresh();
      return isRetryPutOff && breaker.openedBy() === null && retryBudget.waitMs() <= leftMs;
    },
    isDown,
    admit() {
      if (waitMs() > 0) return null;
      if (standing !== 'paused') retryBudget.firstCall();
      else if (!retryBudget.takeRetry()) return null;
      picturesAtFirstCall ??= evidence.pictures;
      line.leave(job);
      return breaker.admit({ probeOnly: standing === 'waiting' });
    },
    callBegins() {
      calls += 1;
    },
    parameterRefused(name) {
      const isFirst = !refused.has(name) && refused.size < MOST_REFUSED_PARAMETERS;
      refused.add(name);
      calls -= 1;
      return isFirst;
    },
    callFailed: () => evidence.callFailed(job),
    stopped(failure, admission, isPutOff) {
      lastFailure = failure;
      isRetryPutOff = isPutOff;
      // The job that meets an account fault first does not wait for the operator; a probe of one that waits already does.
      if (admission === 'probe') wait();
      else if (failure.fault === 'account') standing = 'over';
      else if (breaker.openedBy() !== null || isOutage()) wait();
      else standing = isPutOff ? 'paused' : 'over';
    },
    ended(admission, outcome) {
      if (outcome === 'made') evidence.pictureCame();
      const isFault = outcome !== 'made' && outcome !== 'unclear';
      // A round counts as one failed job, however often the retry budget makes it stop.
      const isCounted = isFault && hasFailed && admission === 'call';
      hasFailed ||= isFault;
      if (!isCounted) breaker.jobEnded(admission, outcome, lastFailure?.reason);
    },
  };
}
