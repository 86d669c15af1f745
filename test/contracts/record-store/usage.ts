import { describe, expect, it } from 'vitest';
import type { UsageKey } from '../../../src/core/ports/record-store.ts';
import type { OpenedRecords } from './fixture.ts';

export function describeUsage({ records, restart }: OpenedRecords): void {
  describe('the largest usage', () => {
    const kind: UsageKey = { model: 'm', quality: 'high', size: { width: 64, height: 48 } };

    it('is 0 where none was noted, grows, and never shrinks', async () => {
      const seen = [await records().largestUsage(kind)];
      for (const tokens of [7, 5, 9, 9, 1]) {
        await records().noteUsage(kind, tokens);
        seen.push(await records().largestUsage(kind));
      }
      expect(seen).toEqual([0, 7, 7, 9, 9, 9]);
    });

    it.each<[string, Partial<UsageKey>]>([
      ['model', { model: 'n' }],
      ['quality', { quality: 'auto' }],
      ['width', { size: { width: 65, height: 48 } }],
      ['height', { size: { width: 64, height: 47 } }],
    ])('is kept for each %s', async (_, other) => {
      await records().noteUsage(kind, 7);
      expect(await records().largestUsage({ ...kind, ...other })).toBe(0);
      await records().noteUsage({ ...kind, ...other }, 9);
      expect(await records().largestUsage(kind)).toBe(7);
    });

    it('outlives a restart', async () => {
      await records().noteUsage(kind, 7);
      await restart();
      expect(await records().largestUsage(kind)).toBe(7);
    });
  });
}
