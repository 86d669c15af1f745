import { expect, it } from 'vitest';
import { createReportOperations } from '../../../src/core/operations/operations.ts';
import type { Instance } from '../../../src/core/ports/instances.ts';
import { createManualClock } from '../../support/test-clock.ts';

const NO_IMAGES = { queued: 0, generating: 0, processing: 0, succeeded: 0, failed: 0, cancelled: 0 };

function setUp(instances: readonly Instance[] = []) {
  const clock = createManualClock();
  const state = { counts: NO_IMAGES, reads: 0, fault: null as Error | null };
  const report = createReportOperations({
    records: {
      async countByStatus() {
        state.reads += 1;
        if (state.fault) throw state.fault;
        return state.counts;
      },
      oldestQueued: async () => null,
      lastCleanup: async () => null,
    },
    store: { freeBytes: async () => null, usedBytes: async () => 5 },
    providerStates: () => [aState('openai', 'closed', clock.now())],
    instances: async () => instances,
    instance: 'own',
    stageTimes: { summary: async () => [] },
    nextCleanup: () => clock.now() + 1_000,
    queueLimit: 9,
    maxBytes: null,
    clock,
  });
  return { clock, state, report };
}

const aState = (name: string, state: 'closed' | 'open', since: number) => ({
  name,
  model: 'm',
  state,
  since: new Date(since).toISOString(),
  until: null,
  concurrency: null,
  perMinute: null,
  lastError: null,
});
const anInstance = (id: string, role: string, state: 'closed' | 'open'): Instance => ({
  id,
  role,
  version: '1',
  startedAt: new Date(0).toISOString(),
  seenAt: new Date(0).toISOString(),
  providers: [aState('openai', state, 0)],
});

it('is made once a second at most, once for all who ask at a time, and again after a failure', async () => {
  const { clock, state, report } = setUp();
  const [first, second] = await Promise.all([report(), report()]);
  expect([first === second, state.reads]).toEqual([true, 1]);
  state.counts = { ...NO_IMAGES, queued: 2, generating: 1, processing: 1 };
  clock.move(999);
  expect((await report()).queue.queued).toBe(0);
  clock.move(1);
  expect((await report()).queue).toEqual({ queued: 2, running: 2, limit: 9, oldestQueuedAt: null });
  clock.move(1_000);
  state.fault = new Error('the database is away');
  await expect(report()).rejects.toThrow('away');
  state.fault = null;
  expect((await report()).queue.queued).toBe(2);
});

it('takes what others say of their providers, and of its own process what it knows itself', async () => {
  const own = anInstance('own', 'all', 'open');
  expect((await setUp([own]).report()).providers[0]?.state).toBe('closed');
  const { providers, instances } = await setUp([own, anInstance('other', 'worker', 'open')]).report();
  expect(providers[0]?.state).toBe('open');
  expect(instances.map((one) => [one.id, 'providers' in one])).toEqual([
    ['own', false],
    ['other', false],
  ]);
});

it('has no next cleanup where no process makes pictures', async () => {
  expect((await setUp([anInstance('own', 'api', 'closed')]).report()).cleanup.nextAt).toBeNull();
  expect((await setUp([anInstance('own', 'worker', 'closed')]).report()).cleanup.nextAt).not.toBeNull();
});
