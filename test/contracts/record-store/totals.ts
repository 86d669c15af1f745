import { expect, it } from 'vitest';
import { anImage } from './example-images.ts';
import type { OpenedRecords } from './fixture.ts';

export function describeTotals({ records, restart, store }: OpenedRecords): void {
  it('counts images by status through every change', async () => {
    const none = { queued: 0, generating: 0, processing: 0, succeeded: 0, failed: 0, cancelled: 0 };
    expect(await records().countByStatus()).toEqual(none);
    await store(anImage({ mediaId: 'a' }), anImage({ mediaId: 'b' }), anImage({ mediaId: 'c' }));
    await records().update('a', (image) => ({ ...image, status: 'succeeded' }));
    await records().update('b', (image) => ({ ...image, status: 'failed' }));
    await restart();
    expect(await records().countByStatus()).toEqual({ ...none, queued: 1, succeeded: 1, failed: 1 });
    await records().remove('a');
    await records().update('c', (image) => ({ ...image, thumbhash: 'x' }));
    expect(await records().countByStatus()).toEqual({ ...none, queued: 1, failed: 1 });
  });
}
