import { expect, it } from 'vitest';
import { createLocalLocks } from '../../../src/adapters/locks/local.ts';
import type { CleanupReport, LastCleanup } from '../../../src/core/ports/record-store.ts';
import { createScheduledCleanup } from '../../../src/core/retention/scheduled-cleanup.ts';

const INTERVAL_MS = 1000;
const REPORT: CleanupReport = {
  deleted: 0,
  freedBytes: 0,
  kept: 0,
  orphansRemoved: 0,
  foreignFiles: 0,
  missingFiles: 0,
  missingFilesOf: [],
  failures: 0,
  failuresOf: [],
  dryRun: false,
  durationMs: 1,
};

/** Processes over the same records, with the time that tests set. */
function openProcesses() {
  const locks = createLocalLocks();
  const state = { now: 0, last: null as LastCleanup | null, cleanups: 0, ends: Promise.resolve() };
  const open = () =>
    createScheduledCleanup({
      async cleanup() {
        state.cleanups += 1;
        await state.ends;
        state.last = { ...REPORT, time: new Date(state.now).toISOString() };
        return REPORT;
      },
      records: { lastCleanup: async () => state.last },
      locks,
      intervalMs: INTERVAL_MS,
      clock: { now: () => state.now },
    });
  return { state, one: open(), other: open() };
}

it('cleans up once an interval, whichever process asks first, and not for a dry run', async () => {
  const { state, one, other } = openProcesses();
  const at = async (now: number, process: () => Promise<void>) => {
    state.now = now;
    await process();
    return state.cleanups;
  };
  expect(await at(1000, one)).toBe(1);
  expect(await at(1600, other)).toBe(1);
  expect(await at(2000, one)).toBe(2);
  state.last = { ...REPORT, dryRun: true, time: new Date(2500).toISOString() };
  expect(await at(2600, other)).toBe(3);
});

it('leaves it to the process that cleans up now', async () => {
  const { state, one, other } = openProcesses();
  const end = Promise.withResolvers<void>();
  state.ends = end.promise;
  const first = one();
  await other();
  end.resolve();
  await first;
  expect(state.cleanups).toBe(1);
});
