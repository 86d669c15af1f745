import { describe, expect, it } from 'vitest';
import { timelineOf } from '../../../src/web/picture-facts/attempts.ts';
import type { Attempt } from '../../../src/web/service/types.ts';
import { doneRecord } from '../picture/records.ts';

const at = (seconds: number) => new Date(Date.UTC(2026, 10, 27, 12) + seconds * 1000).toISOString();
const call = (startedAt: string, durationMs: number | null, changes: Partial<Attempt> = {}): Attempt => ({
  provider: 'openai',
  startedAt,
  durationMs,
  outcome: 'failed',
  httpStatus: 500,
  providerRequestId: null,
  ...changes,
});

describe('timelineOf', () => {
  it('has the waits before and between calls, and says which are retries and which go to another provider', () => {
    const attempts = [
      call(at(2), 1000),
      call(at(4.5), 500),
      call(at(5.05), 3000, { provider: 'azure', outcome: 'ok', httpStatus: 200 }),
    ];
    expect(timelineOf(doneRecord({ createdAt: at(0), completedAt: at(9), attempts }))).toEqual([
      { kind: 'accepted', at: at(0) },
      { kind: 'wait', ms: 2000 },
      { kind: 'call', attempt: attempts[0], as: 'first' },
      { kind: 'wait', ms: 1500 },
      { kind: 'call', attempt: attempts[1], as: 'retry' },
      // 50 ms between two calls are no wait.
      { kind: 'call', attempt: attempts[2], as: 'fallback' },
      { kind: 'ended', at: at(9), status: 'succeeded' },
    ]);
  });

  it('claims no wait after a call whose end was not seen', () => {
    const attempts = [call(at(0), null, { outcome: 'unknown' }), call(at(60), 1000)];
    const kinds = timelineOf(doneRecord({ createdAt: at(0), attempts })).map(({ kind }) => kind);
    expect(kinds).toEqual(['accepted', 'call', 'call', 'ended']);
  });

  it('sums up the calls that are left out, before which no wait is known', () => {
    const attempts = [call(at(90), 1000)];
    const attemptsOmitted = { count: 7, usd: 1.4 };
    expect(timelineOf(doneRecord({ createdAt: at(0), attempts, attemptsOmitted })).slice(0, 3)).toEqual([
      { kind: 'accepted', at: at(0) },
      { kind: 'omitted', count: 7, usd: 1.4 },
      { kind: 'call', attempt: attempts[0], as: 'retry' },
    ]);
  });

  it('has no end while the picture is made, a repair included', () => {
    const running = doneRecord({ status: 'processing', completedAt: at(9) });
    expect(timelineOf(running).map(({ kind }) => kind)).toEqual(['accepted']);
  });
});
