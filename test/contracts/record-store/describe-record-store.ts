import { describe, expect, it } from 'vitest';
import { describeAccepting } from './accepting.ts';
import { describeCalls } from './calls.ts';
import { describeCleanups } from './cleanups.ts';
import { describeDeliveryPages } from './delivery-pages.ts';
import { describeExpiry } from './expiry.ts';
import { type CreateFixture, openRecordsForEach } from './fixture.ts';
import { describeIdentity } from './identity.ts';
import { describeJobs } from './jobs.ts';
import { describeLabels } from './labels.ts';
import { describeLedger } from './ledger.ts';
import { describeListing } from './listing.ts';
import { describeOperations } from './operations.ts';
import { describeOutbox } from './outbox.ts';
import { describeOwnedNames } from './owned-names.ts';
import { describeRemoving } from './removing.ts';
import { describeSearching } from './searching.ts';
import { describeSharedNames } from './shared-names.ts';
import { describeTotals } from './totals.ts';
import { describeUpdating } from './updating.ts';
import { describeUsage } from './usage.ts';

/**
 * What every record store promises; each adapter runs it with its own fixture. The store gets `trivialDerive`, so that these tests cover
 * only how it stores what the rules derive; the rules of the service are tested in test/core/images/derive.test.ts.
 */
export function describeRecordStore(name: string, createFixture: CreateFixture): void {
  describe(`${name} keeps the contract of a record store`, () => {
    const opened = openRecordsForEach(createFixture);
    describeAccepting(opened);
    describeCalls(opened);
    describeUpdating(opened);
    describeLedger(opened);
    describeUsage(opened);
    describeOutbox(opened);
    describeDeliveryPages(opened);
    describeOperations(opened);
    describeListing(opened);
    describeSearching(opened);
    describeLabels(opened);
    describeJobs(opened);
    describeTotals(opened);
    describeExpiry(opened);
    describeCleanups(opened);
    describeRemoving(opened);
    describeOwnedNames(opened);
    describeSharedNames(opened);

    describeIdentity(createFixture);

    it('passes repeated checks, and fails with storage_unavailable once it is closed', async () => {
      const records = opened.records();
      await records.check();
      await records.check();
      await records.close();
      await expect(records.check()).rejects.toMatchObject({ code: 'storage_unavailable' });
      await expect(records.get('a')).rejects.toMatchObject({ code: 'storage_unavailable' });
    });
  });
}
