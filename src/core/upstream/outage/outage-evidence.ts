import type { Clock } from '../../ports/clock.ts';

/** What the calls of all jobs to one provider show: whether it is the provider that fails, or a single job. */
export interface OutageEvidence {
  /** Reports a call of the job that failed by an outage, at `at` of the clock's `monotonic`: now, or in an earlier process. */
  callFailed(job: symbol, at?: number): void;
  /** Reports a picture, of whichever job. */
  pictureCame(): void;
  /** True where a call of another job has failed after `since` (of the clock's `monotonic`), and no picture has come after it. */
  othersFailed(job: symbol, since: number): boolean;
  /** Number of pictures so far: where it has grown, the provider has worked in between. */
  readonly pictures: number;
}

export function createOutageEvidence(clock: Clock): OutageEvidence {
  let pictures = 0;
  /** The latest failed calls of two different jobs, the newest first, since the last picture. */
  let failedCalls: readonly { readonly job: symbol; readonly at: number }[] = [];
  return {
    get pictures() {
      return pictures;
    },
    callFailed(job, at = clock.monotonic()) {
      const other = failedCalls.find((failed) => failed.job !== job);
      failedCalls = [{ job, at }, ...(other ? [other] : [])];
    },
    pictureCame() {
      pictures += 1;
      failedCalls = [];
    },
    othersFailed: (job, since) => failedCalls.some((failed) => failed.job !== job && failed.at > since),
  };
}
