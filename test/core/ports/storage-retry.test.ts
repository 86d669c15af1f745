import pino from 'pino';
import { describe, expect, it } from 'vitest';
import { ImageError } from '../../../src/core/domain/errors.ts';
import { retryWhileStorageFails } from '../../../src/core/ports/storage-retry.ts';
import { createTestClock } from '../../support/test-clock.ts';

const full = () => new ImageError('storage_full', 'the disk is full');

function setUp() {
  const clock = createTestClock();
  const stop = new AbortController();
  const lines: unknown[] = [];
  const log = pino({ base: null }, { write: (line: string) => void lines.push(JSON.parse(line)) });
  let calls = 0;
  return {
    lines,
    clock,
    stop,
    calls: () => calls,
    retry: (access: (call: number) => string, maxWaitMs?: number) =>
      retryWhileStorageFails({ stopping: stop.signal, maxWaitMs, clock, log }, async () => access(++calls)),
  };
}

describe('retryWhileStorageFails', () => {
  it('waits 0.5 s, then twice as long each time, up to 5 s, until the access succeeds', async () => {
    const { retry, clock } = setUp();
    const written = await retry((call) => {
      if (call <= 6) throw call % 2 === 0 ? full() : new ImageError('storage_unavailable', 'the disk is gone');
      return 'written';
    });
    expect(written).toBe('written');
    expect(clock.slept).toEqual([500, 1000, 2000, 4000, 5000, 5000]);
  });

  it('logs when the waiting begins, and when it was not in vain, however many tries it takes', async () => {
    const { retry, lines } = setUp();
    await retry((call) => {
      if (call <= 50) throw full();
      return 'written';
    });
    expect(lines).toMatchObject([
      { level: 40, code: 'storage_full', reason: 'the disk is full', msg: 'storage failed, retrying' },
      { level: 30, msg: 'the storage works again, and the work goes on' },
    ]);
  });

  it('rethrows the fault once it has waited for as long as is allowed', async () => {
    const { retry, clock } = setUp();
    const failing = retry(() => {
      throw full();
    }, 7_500);
    await expect(failing).rejects.toThrow('the disk is full');
    expect(clock.slept).toEqual([500, 1000, 2000, 4000]);
  });

  it('rethrows any other error at once', async () => {
    const { retry, calls } = setUp();
    const refuse = () => {
      throw new ImageError('budget_exhausted', 'nothing left');
    };
    await expect(retry(refuse)).rejects.toThrow('nothing left');
    expect(calls()).toBe(1);
  });

  it('rethrows the error of a try during which the process begins to stop', async () => {
    const { retry, stop, calls } = setUp();
    const failing = retry((call) => {
      // Fires while the third try runs, so no fourth is made.
      if (call === 3) stop.abort();
      throw full();
    });
    await expect(failing).rejects.toThrow('the disk is full');
    expect(calls()).toBe(3);
  });

  it('ends its wait when the process stops, tries once more, and rethrows', async () => {
    const clock = createTestClock({ skipMs: 0 });
    const stop = new AbortController();
    let calls = 0;
    const failing = retryWhileStorageFails(
      { stopping: stop.signal, clock, log: pino({ level: 'silent' }) },
      async () => {
        calls += 1;
        throw full();
      },
    );
    await expect.poll(() => clock.sleepers).toBe(1);
    stop.abort();
    await expect(failing).rejects.toThrow('the disk is full');
    expect(calls).toBe(2);
  });
});
