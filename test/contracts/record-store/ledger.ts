import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { ImageError } from '../../../src/core/domain/errors.ts';
import { IMAGE_STATUSES, type Image } from '../../../src/core/domain/image.ts';
import type { Cost, Spending, SpendingGuard } from '../../../src/core/domain/money.ts';
import { ledgerStep, sumsOf } from '../../support/ledger.ts';
import { anImage, at } from './example-images.ts';
import type { OpenedRecords } from './fixture.ts';
import { trivialDerive } from './trivial-derive.ts';

export function describeLedger({ records, restart, store }: OpenedRecords): void {
  describe('the ledger', () => {
    const step = ledgerStep('write', 'write', 'write', 'leave', 'remove', 'restart');
    const status = fc.constantFrom(...IMAGE_STATUSES);

    it('equals the sum of the entries of all writes, for random sequences of writes, removals and restarts', async () => {
      let rounds = 0;
      await fc.assert(
        fc.asyncProperty(fc.array(fc.tuple(step, status), { maxLength: 20 }), async (steps) => {
          // The ledger is never cleared, so each round uses owners of its own.
          rounds += 1;
          const own = (name: string) => `${name}-${rounds}`;
          const known = new Map<string, Image>();
          const expected: Spending[] = [];
          for (const [{ id: name, owner, usd, second, action }, status] of steps) {
            const mediaId = own(name);
            const before = known.get(mediaId) ?? null;
            const estimate: Cost = usd === null ? { usd, basis: 'unknown' } : { usd, basis: 'estimate' };
            const after = anImage({ mediaId, owner: own(owner), status, estimate, createdAt: at(second) });
            if (action === 'restart') {
              await restart();
            } else if (before === null) {
              await store(after);
              known.set(mediaId, after);
              expected.push(...trivialDerive(null, after).ledger);
            } else if (action === 'write') {
              await records().update(mediaId, () => after);
              known.set(mediaId, after);
              expected.push(...trivialDerive(before, after).ledger);
            } else if (action === 'leave') {
              await records().update(mediaId, () => null);
            } else {
              await records().remove(mediaId);
              await records().deletionDone(mediaId);
              known.delete(mediaId);
              expected.push(...trivialDerive(before, null).ledger);
            }
          }
          for (const owner of ['anna', 'bert'].map(own)) {
            const entries = expected.filter((entry) => entry.owner === owner);
            expect(sumsOf(await records().spending('2026-01-01', owner))).toEqual(
              sumsOf(entries.filter(({ day }) => day !== null)),
            );
            const held = entries.filter(({ day }) => day === null).reduce((sum, { microUsd }) => sum + microUsd, 0);
            expect((await records().balance('2026-01-01', owner)).reserved).toBe(held);
          }
        }),
        { numRuns: 25 },
      );
    });

    const estimate: Cost = { usd: 0.02, basis: 'estimate' };
    const limit = (most: number): SpendingGuard => ({
      day: '2026-01-01',
      limitsOf: () => ({ service: most, owner: null }),
      check(_owner, { service: { spent, reserved } }) {
        if (spent + reserved > most) throw new ImageError('budget_exhausted', 'no room');
      },
    });

    it('stays within the limit of the guard under 200 concurrent writes, and a refused write leaves neither record nor entry', async () => {
      const asked = Array.from({ length: 200 }, (_, index) =>
        records().accept(anImage({ mediaId: `m${index}`, estimate }), Infinity, limit(140_000)),
      );
      const ends = await Promise.allSettled(asked);
      expect(ends.filter(({ status }) => status === 'fulfilled')).toHaveLength(7);
      expect(await records().unfinished()).toHaveLength(7);
      expect(await records().balance('2026-01-01', null)).toEqual({ spent: 0, reserved: 140_000 });
    });

    it('calls the guard of a change only where it spends more, and rolls back a change that is refused', async () => {
      await store(anImage({ mediaId: 'a', estimate }));
      const calls: unknown[] = [];
      const none = { ...limit(0), check: (...call: unknown[]) => void calls.push(call) };
      // The reservation stays the same, or becomes spending: neither needs more of the budget.
      await records().update('a', (image) => ({ ...image, status: 'generating' }), none);
      await records().update('a', (image) => ({ ...image, status: 'succeeded' }), none);
      expect(calls).toEqual([]);
      expect(await records().balance('2026-01-01', null)).toEqual({ spent: 20_000, reserved: 0 });
      await store(anImage({ mediaId: 'b', estimate }));
      const dearer = (image: Image): Image => ({ ...image, estimate: { usd: 0.04, basis: 'estimate' } });
      await expect(records().update('b', dearer, limit(59_999))).rejects.toMatchObject({ code: 'budget_exhausted' });
      expect((await records().get('b'))?.estimate).toEqual(estimate);
      expect(await records().balance('2026-01-01', null)).toEqual({ spent: 20_000, reserved: 20_000 });
      await records().update('b', dearer, limit(60_000));
      expect(await records().balance('2026-01-01', null)).toEqual({ spent: 20_000, reserved: 40_000 });
    });

    it('calls the guard when an image is requeued, and leaves the image unchanged where it refuses', async () => {
      const failed = anImage({ mediaId: 'a', status: 'failed' });
      await store(failed);
      const again = (image: Image): Image => ({ ...image, status: 'queued', estimate });
      await expect(records().requeue('a', 1, again, limit(19_999))).rejects.toMatchObject({
        code: 'budget_exhausted',
      });
      expect(await records().get('a')).toEqual(failed);
      expect(await records().requeue('a', 1, again, limit(20_000))).toEqual(again(failed));
    });

    it('calls the guard with the owner and the balances of service and owner after the write', async () => {
      const calls: unknown[] = [];
      const guard: SpendingGuard = {
        day: '2026-01-01',
        limitsOf: (owner) => ({ service: null, owner: owner === 'bert' ? 40_000 : 0 }),
        check: (...call) => void calls.push(call),
      };
      await store(anImage({ mediaId: 'a', owner: 'anna', status: 'succeeded', estimate }));
      await store(anImage({ mediaId: 'b', owner: 'bert', estimate }));
      await records().accept(anImage({ mediaId: 'c', owner: 'bert', estimate }), Infinity, guard);
      const service = { spent: 20_000, reserved: 40_000 };
      expect(calls).toEqual([['bert', { service, owner: { spent: 0, reserved: 40_000 } }]]);
    });

    it('releases the reservation of a removed image, and keeps what it spent', async () => {
      await store(anImage({ mediaId: 'waiting', estimate }), anImage({ mediaId: 'done', status: 'failed', estimate }));
      expect(await records().balance('2026-01-01', null)).toEqual({ spent: 20_000, reserved: 20_000 });
      for (const id of ['waiting', 'done']) await records().remove(id);
      expect(await records().balance('2026-01-01', null)).toEqual({ spent: 20_000, reserved: 0 });
    });

    it('lists entries from a given day on, newest first, for one owner or all', async () => {
      const spent = (id: string, owner: string, day: number) =>
        anImage({ mediaId: id, owner, status: 'succeeded', createdAt: at(day * 86_400), estimate });
      await store(spent('a', 'anna', 0), spent('b', 'anna', 1), spent('c', 'bert', 1), spent('d', 'anna', 2));
      const read = async (from: string, owner: string | null) =>
        (await records().spending(from, owner)).map((entry) => [entry.day, entry.owner, entry.images, entry.microUsd]);
      expect(await read('2026-01-02', null)).toEqual([
        ['2026-01-03', 'anna', 1, 20_000],
        ['2026-01-02', 'anna', 1, 20_000],
        ['2026-01-02', 'bert', 1, 20_000],
      ]);
      expect(await read('2026-01-02', 'bert')).toEqual([['2026-01-02', 'bert', 1, 20_000]]);
      expect(await records().balance('2026-01-02', null)).toEqual({ spent: 40_000, reserved: 0 });
      expect(await records().balance('2026-01-02', 'bert')).toEqual({ spent: 20_000, reserved: 0 });
    });
  });
}
