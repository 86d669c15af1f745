import { describe, expect, it } from 'vitest';
import { type CreateFixture, openRecordsForEach } from './fixture.ts';

export function describeIdentity(createFixture: CreateFixture): void {
  describe('the identity', () => {
    const one = openRecordsForEach(createFixture);
    const other = openRecordsForEach(createFixture);

    it('is a UUID that stays over restarts, and that no other store has', async () => {
      const identity = await one.records().identity();
      expect(identity).toMatch(/^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/);
      expect(await one.records().identity()).toBe(identity);
      await one.restart();
      expect(await one.records().identity()).toBe(identity);
      expect(await other.records().identity()).not.toBe(identity);
    });
  });
}
