/** Calls that are being accepted, by what they ask for: none of them can be found on record yet. */
export interface Submissions {
  /** Resolves once no call of this kind is being accepted. */
  settled(kind: string): Promise<void>;
  /** Counts a call in until `submit` has settled. A `retry` is submitted once no other call of this kind is being accepted. */
  run<Result>(kind: string, retry: boolean, submit: () => Promise<Result>): Promise<Result>;
}

export function createSubmissions(): Submissions {
  const underWay = new Map<string, Set<Promise<unknown>>>();

  async function settled(kind: string): Promise<void> {
    for (let calls = underWay.get(kind); calls !== undefined; calls = underWay.get(kind))
      await Promise.allSettled(calls);
  }

  return {
    settled,

    async run(kind, retry, submit) {
      // Looked at again afterwards: of several retries that wait, one goes on first.
      while (retry && underWay.has(kind)) await settled(kind);
      const calls = underWay.get(kind) ?? new Set();
      underWay.set(kind, calls);
      const submission = submit();
      calls.add(submission);
      try {
        return await submission;
      } finally {
        calls.delete(submission);
        if (calls.size === 0) underWay.delete(kind);
      }
    },
  };
}
