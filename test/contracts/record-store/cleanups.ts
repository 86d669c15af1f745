import { expect, it } from 'vitest';
import { at } from './example-images.ts';
import type { OpenedRecords } from './fixture.ts';

export function describeCleanups({ records, restart }: OpenedRecords): void {
  it('keeps the report of the last cleanup, over a restart too', async () => {
    const report = {
      deleted: 1,
      freedBytes: 2,
      kept: 3,
      orphansRemoved: 4,
      foreignFiles: 2,
      missingFiles: 5,
      missingFilesOf: ['a'],
      failures: 1,
      failuresOf: ['odd.png'],
      dryRun: false,
      durationMs: 5,
      time: at(1),
    };
    expect(await records().lastCleanup()).toBeNull();
    await records().saveCleanup(report);
    await records().saveCleanup({ ...report, deleted: 9 });
    await restart();
    expect(await records().lastCleanup()).toEqual({ ...report, deleted: 9 });
  });
}
