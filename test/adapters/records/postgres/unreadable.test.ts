import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { inputName } from '../../../../src/core/domain/file-names.ts';
import type { Image } from '../../../../src/core/domain/image.ts';
import type { RecordStore } from '../../../../src/core/ports/record-store.ts';
import { anImage, aRequest, at, ms } from '../../../contracts/record-store/example-images.ts';
import { createPlaces, type Place } from './fixture.ts';

const makePlace = createPlaces();
const damaged = { code: 'storage_unavailable', isLasting: true, message: expect.stringMatching(/is damaged/) };
const ids = (images: readonly Image[]) => images.map(({ mediaId }) => mediaId);

describe('rows that cannot be read', () => {
  let place: Place;
  let records: RecordStore;
  beforeEach(async () => {
    place = await makePlace();
    records = (await place.open()).records;
  });
  afterEach(() => place.dispose());

  /** Cuts a text short: what is left is no JSON. */
  const damage = (table: string, column: string, prefix = 'bad') =>
    place.test.query(`UPDATE easel.${table} SET ${column} = left(${column}, -1) WHERE media_id LIKE $1`, [
      `${prefix}%`,
    ]);

  it('fail only what asks for them', async () => {
    const sha256 = 'a'.repeat(64);
    const inputs: Image['request']['inputs'] = [
      { sha256, bytes: 9, width: 8, height: 8, format: 'png', source: { sha256 } },
    ];
    const request = aRequest({ labels: ['red'], inputs });
    const kinds: readonly Partial<Image>[] = [
      { status: 'queued' },
      { status: 'succeeded', pending: [{ width: 1, height: 1, format: 'avif' }] },
      { status: 'failed', expiresAt: at(1) },
    ];
    for (const [n, kind] of kinds.entries())
      for (const name of ['bad', 'good']) {
        const call = { id: `call${n}`, index: 0, count: 2, digest: 'd' };
        const image = anImage({ mediaId: `${name}${n}`, idempotencyKey: `key-${name}${n}`, call, request, ...kind });
        await records.accept(image, Infinity);
      }
    await damage('images', 'document');
    // What is JSON, but about another image, is damage as well.
    await place.test.query(`UPDATE easel.images SET document = '{"mediaId":"other"}' WHERE media_id = 'bad0'`);

    expect(await records.unreadable()).toEqual(['bad0']);
    expect(await records.unfinished()).toEqual(['good0', 'good1']);
    const everything = { limit: 2, owner: null };
    const page = await records.list(everything);
    expect(ids(page.items)).toEqual(['good2', 'good1']);
    expect(ids((await records.list({ ...everything, cursor: page.nextCursor ?? '' })).items)).toEqual(['good0']);
    expect(ids((await records.list({ limit: 9, owner: null, label: ['red'] })).items)).toHaveLength(3);
    const retention = { now: ms(9), requestedBefore: ms(9), status: null, limit: 1, after: null };
    expect(ids(await records.expired(retention))).toEqual(['good1']);
    expect(ids(await records.oldest(1, null))).toEqual(['good1']);
    expect(ids(await records.findCall('call1'))).toEqual(['good1']);
    for (const mediaId of ['bad0', 'bad1', 'bad2']) {
      await expect(records.get(mediaId)).rejects.toMatchObject(damaged);
      await expect(records.accept(anImage({ mediaId }), Infinity)).rejects.toMatchObject(damaged);
      await expect(records.findByKey('anonymous', `key-${mediaId}`)).rejects.toMatchObject(damaged);
      await expect(records.update(mediaId, (image) => image)).rejects.toMatchObject(damaged);
      await expect(records.remove(mediaId)).rejects.toMatchObject(damaged);
    }
    const names = ['bad0.png', 'originals/bad1~t1', 'bad2@5x5.webp', 'good0.png', 'good0.old', 'other.png'];
    expect(await records.ownedNames(names)).toEqual(new Set(names.slice(0, 4)));
    expect((await records.remove('good0'))?.names).not.toContain(inputName(sha256));
    expect(await records.countSharing([inputName(sha256)], null)).toEqual(new Map([[inputName(sha256), 5]]));
    expect(await records.accept(anImage({ mediaId: 'new' }), Infinity)).toEqual({ outcome: 'accepted' });
    await records.check();
  });

  it('of pending deletions do not hold up the others, and their files count as owned', async () => {
    for (const mediaId of ['bad', 'good']) {
      await records.accept(anImage({ mediaId }), Infinity);
      await records.remove(mediaId);
    }
    await damage('deletions', 'names');
    expect(ids((await records.pendingDeletions()) as never)).toEqual(['good']);
    expect(await records.unreadable()).toEqual(['bad']);
    expect(await records.ownedNames(['bad.png', 'good.png', 'x.png'])).toEqual(new Set(['bad.png', 'good.png']));
    await expect(records.accept(anImage({ mediaId: 'bad' }), Infinity)).rejects.toMatchObject(damaged);
  });

  it('of the outbox do not hold up the others', async () => {
    const request = aRequest({ webhookUrl: 'https://example.com/hook' });
    for (const mediaId of ['bad', 'good']) {
      await records.accept(anImage({ mediaId, request }), Infinity);
      await records.update(mediaId, (image) => ({ ...image, status: 'failed' }));
    }
    const [bad] = await records.outbox.list('bad');
    await damage('deliveries', 'document');
    const next = await records.outbox.next({ ids: [], receivers: [] }, Infinity);
    expect(next?.delivery.mediaId).toBe('good');
    expect(await records.outbox.list('bad')).toEqual([]);
    expect(await records.outbox.update(bad?.id ?? '', (delivery) => delivery)).toBeNull();
  });

  it('are no reason to fail for text that PostgreSQL does not take', async () => {
    expect(await records.get('a\0')).toBeNull();
    expect(await records.update('a\0', (image) => image)).toBeNull();
    expect(await records.findByKey('anonymous', 'a\0')).toBeNull();
    expect(await records.outbox.list('a\0')).toEqual([]);
  });
});
