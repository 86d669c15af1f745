/** The calls of two replicas: two instances of the use case over the same records and locks. */

import { pino } from 'pino';
import { expect, it, onTestFinished } from 'vitest';
import { createLocalLocks } from '../../../../src/adapters/locks/local.ts';
import { accepted, cancelled } from '../../../../src/core/domain/life-cycle/transitions.ts';
import { ANONYMOUS } from '../../../../src/core/domain/request.ts';
import { createCallsElsewhere } from '../../../../src/core/images/calls/calls-elsewhere.ts';
import { createCalls } from '../../../../src/core/images/calls/create-calls.ts';
import { openRecords } from '../../../support/app/records.ts';
import { identity, LIGHTHOUSE } from '../../../support/calls/example-calls.ts';
import { temporaryFolder } from '../../../support/temporary-folder.ts';
import { createTestClock } from '../../../support/test-clock.ts';
import { REQUEST } from '../../domain/life-cycle/example-changes.ts';

const LATER = '2100-01-01T00:00:00.000Z';

async function openReplicas() {
  const folder = await temporaryFolder();
  const records = openRecords(folder.path);
  onTestFinished(async () => {
    await records.close();
    await folder[Symbol.asyncDispose]();
  });
  const locks = createLocalLocks();
  const clock = createTestClock();
  const { request } = REQUEST;
  let ids = 0;
  /** What an acceptance waits for. */
  let gate: Promise<unknown> = Promise.resolve();

  function openReplica() {
    const calls = createCalls({
      records,
      async accept({ owner, mediaIds, call }) {
        await gate;
        const [mediaId] = mediaIds;
        const createdAt = new Date(Date.UTC(2026, 0, 1) + ids * 1000).toISOString();
        const own = { id: call?.id ?? '', digest: call?.digest ?? '', index: 0, count: 1 };
        const image = accepted({ ...REQUEST, mediaId, owner, idempotencyKey: null, createdAt, call: own });
        expect((await records.accept(image, 100)).outcome).toBe('accepted');
        return { outcome: 'accepted', images: [image] };
      },
      rerun: () => Promise.reject(new Error('is not called')),
      resolve: () => request,
      takeInputs: async () => ({
        request,
        store: async () => {},
        discard: async () => {},
        [Symbol.dispose]: () => {},
      }),
      waitUntilFinished: (mediaId) => records.get(mediaId),
      deletions: { cancel: ({ mediaId }) => records.update(mediaId, (image) => cancelled(image, LATER)) },
      clock,
      newId: () => `m${++ids}`,
      elsewhere: createCallsElsewhere({ records, locks, clock, log: pino({ level: 'silent' }) }),
    });
    const submit = (retryCount: number) => calls.submit(LIGHTHOUSE, 1, ANONYMOUS, identity({ retryCount }));
    return {
      calls,
      fresh: () => submit(0),
      retry: () => submit(1),
      /** Ends the call's image, and gives the answer to its client. */
      async deliver(call: Awaited<ReturnType<typeof submit>>) {
        await records.update(call.id, (image) => ({ ...image, status: 'succeeded', completedAt: LATER }));
        await calls.wait(call, 1, new AbortController().signal);
        call[Symbol.dispose]();
        await expect.poll(async () => (await records.get(call.id))?.call?.delivered).toBe(true);
      },
    };
  }
  return {
    a: openReplica(),
    b: openReplica(),
    records,
    holdAcceptances: () => {
      const held = Promise.withResolvers<void>();
      gate = held.promise;
      return held.resolve;
    },
  };
}

it('a retry at one replica joins the call that it repeats, rather than one that a client of another waits for', async () => {
  const { a, b } = await openReplicas();
  using _first = await a.fresh();
  const second = await a.fresh();
  second[Symbol.dispose]();
  using retry = await b.retry();
  expect([retry.id, retry.started]).toEqual([second.id, false]);
});

it('a retry collects the call that it repeats, rather than one that was delivered by another replica', async () => {
  const { a, b } = await openReplicas();
  await a.deliver(await a.fresh());
  const lost = await a.fresh();
  lost[Symbol.dispose]();
  using retry = await b.retry();
  expect(retry.id).toBe(lost.id);
});

it('of two retries at two replicas at the same time each gets a call of its own', async () => {
  const { a, b } = await openReplicas();
  const calls = [await a.fresh(), await b.fresh()];
  for (const call of calls) call[Symbol.dispose]();
  const retries = await Promise.all([a.retry(), b.retry()]);
  expect(retries.map(({ id }) => id).sort()).toEqual(calls.map(({ id }) => id).sort());
  for (const retry of retries) retry[Symbol.dispose]();
});

it('a retry waits while an equal call is being accepted by another replica', async () => {
  const { a, b, holdAcceptances } = await openReplicas();
  const release = holdAcceptances();
  const fresh = a.fresh();
  const retry = b.retry();
  release();
  const [first, second] = await Promise.all([fresh, retry]);
  expect([second.id, second.started]).toEqual([first.id, false]);
  for (const call of [first, second]) call[Symbol.dispose]();
});

it('a call that is left is cancelled only where no client of another replica waits for it', async () => {
  const { a, b, records } = await openReplicas();
  const first = await a.fresh();
  const retry = await b.retry();
  expect(retry.id).toBe(first.id);
  await a.calls.cancelUnlessAwaited(first, ANONYMOUS);
  expect((await records.get(first.id))?.status).toBe('queued');
  await b.calls.cancelUnlessAwaited(retry, ANONYMOUS);
  expect((await records.get(first.id))?.status).toBe('cancelled');
});
