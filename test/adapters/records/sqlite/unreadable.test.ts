import { describe, expect, it } from 'vitest';
import { inputName } from '../../../../src/core/domain/file-names.ts';
import type { Image } from '../../../../src/core/domain/image.ts';
import type { RecordStore } from '../../../../src/core/ports/record-store.ts';
import { anImage, aRequest, at, ms } from '../../../contracts/record-store/example-images.ts';
import { downgrade } from './downgrade.ts';
import { damage, makePlaceForEach } from './fixture.ts';

const place = makePlaceForEach();
const request = aRequest({ labels: ['red'], webhookUrl: 'https://example.com/hook' });
const damaged = { code: 'storage_unavailable', message: expect.stringMatching(/is damaged/) };

/** Images of several kinds, each once readable and once not, in a file that is closed. Damage is a changed byte on the disk. */
async function makeDamaged(): Promise<void> {
  const records = place.open();
  const kinds: readonly Partial<Image>[] = [
    { status: 'queued' },
    { status: 'succeeded', pending: [{ width: 1, height: 1, format: 'avif' }] },
    { status: 'failed', expiresAt: at(1) },
  ];
  for (const [n, kind] of kinds.entries())
    for (const name of ['bad', 'good']) {
      const idempotencyKey = `key-${name}${n}`;
      await records.accept(anImage({ mediaId: `${name}${n}`, idempotencyKey, request, ...kind }), Infinity);
    }
  await records.close();
  await damage(place.path(), '{"mediaId":"bad');
}

const retention = { now: ms(9), requestedBefore: ms(9), status: null, after: null };
const ids = (images: readonly Image[]) => images.map(({ mediaId }) => mediaId);

/** What must hold for the readable images, whatever became of the others. */
async function expectOnlyBadOnesFail(records: RecordStore): Promise<void> {
  expect(await records.unfinished()).toEqual(['good0', 'good1']);
  expect(ids((await records.list({ limit: 9, owner: null })).items)).toEqual(['good2', 'good1', 'good0']);
  expect(ids((await records.list({ limit: 9, owner: null, label: ['red'] })).items)).toHaveLength(3);
  expect(ids(await records.expired({ ...retention, limit: 1 }))).toEqual(['good1']);
  expect(ids(await records.oldest(1, null))).toEqual(['good1']);
  for (const mediaId of ['bad0', 'bad1', 'bad2']) {
    await expect(records.get(mediaId)).rejects.toMatchObject(damaged);
    await expect(records.accept(anImage({ mediaId }), Infinity)).rejects.toMatchObject(damaged);
    await expect(records.findByKey('anonymous', `key-${mediaId}`)).rejects.toMatchObject(damaged);
  }
  const names = ['bad0.png', 'originals/bad1~t1', 'bad2@5x5.webp', 'good0.png', 'good0.old', 'other.png'];
  expect(await records.ownedNames(names)).toEqual(new Set(names.slice(0, 4)));
  expect(await records.accept(anImage({ mediaId: 'new', request }), Infinity)).toEqual({ outcome: 'accepted' });
  await records.check();
}

describe('rows that cannot be read', () => {
  it('fail only what asks for them', async () => {
    await makeDamaged();
    const records = place.open();
    expect(await records.unreadable()).toEqual(['bad0']);
    await expectOnlyBadOnesFail(records);
  });

  it('keep the inputs that they share', async () => {
    const sha256 = 'a'.repeat(64);
    const inputs: Image['request']['inputs'] = [
      { sha256, bytes: 9, width: 8, height: 8, format: 'png', source: { sha256 } },
    ];
    const first = place.open();
    for (const mediaId of ['bad', 'good']) {
      await first.accept(anImage({ mediaId, request: aRequest({ inputs }) }), Infinity);
    }
    await first.close();
    await damage(place.path(), '{"mediaId":"bad');
    const records = place.open();
    const name = inputName(sha256);
    expect((await records.remove('good'))?.names).not.toContain(name);
    expect(await records.ownedNames([name])).toEqual(new Set([name]));
    expect(await records.countSharing([name], null)).toEqual(new Map([[name, 1]]));
  });

  it('are set aside by a migration, for good', async () => {
    await makeDamaged();
    downgrade(place.path(), 6);
    const records = place.open();
    expect(await records.unreadable()).toEqual(['bad0', 'bad1', 'bad2']);
    await expectOnlyBadOnesFail(records);
    expect(await records.countByStatus()).toMatchObject({ queued: 2, succeeded: 1, failed: 1 });
    await records.close();
    expect(await place.open().unreadable()).toHaveLength(3);
  });

  it('of a call are passed over, and a call is found by the others', async () => {
    const older = place.open();
    const images = ['good', 'bad'].map((mediaId, index) =>
      anImage({ mediaId, call: { id: 'good', index, count: 2, digest: 'd' } }),
    );
    await older.accept(images, Infinity);
    await older.close();
    await damage(place.path(), '{"mediaId":"bad');
    const records = place.open();
    expect(ids(await records.findCall('good'))).toEqual(['good']);
    const query = { owner: 'anonymous', digest: 'd', endedSince: 0, limit: 9 };
    expect(await records.findCalls(query)).toEqual([{ id: 'good', isKeyed: false, endedAt: null }]);
  });

  it('of pending deletions do not hold up the others, and their files count as owned', async () => {
    const first = place.open();
    for (const mediaId of ['bad', 'good']) {
      await first.accept(anImage({ mediaId }), Infinity);
      await first.remove(mediaId);
    }
    await first.close();
    await damage(place.path(), '["bad.png"');
    const records = place.open();
    expect((await records.pendingDeletions()).map(({ mediaId }) => mediaId)).toEqual(['good']);
    expect(await records.unreadable()).toEqual(['bad']);
    expect(await records.ownedNames(['bad.png', 'good.png', 'x.png'])).toEqual(new Set(['bad.png', 'good.png']));
    await expect(records.accept(anImage({ mediaId: 'bad' }), Infinity)).rejects.toMatchObject(damaged);
  });

  it('of the outbox do not hold up the others', async () => {
    const first = place.open();
    for (const mediaId of ['bad', 'good']) {
      await first.accept(anImage({ mediaId, request }), Infinity);
      await first.update(mediaId, (image) => ({ ...image, status: 'failed' }));
    }
    const [bad] = await first.outbox.list('bad');
    await first.close();
    await damage(place.path(), `{"id":"${bad?.id}"`);
    const records = place.open();
    const next = await records.outbox.next({ ids: [], receivers: [] }, Infinity);
    expect(next?.delivery.mediaId).toBe('good');
    expect(await records.outbox.list('bad')).toEqual([]);
    expect(await records.outbox.update(bad?.id ?? '', (delivery) => delivery)).toBeNull();
  });

  /** Puts a byte that stands in no UTF-8 text into every document of a table. */
  const damageText = (table: string, key: string) =>
    `UPDATE ${table} SET document = replace(document, '{"${key}"', '{"' || CAST(x'ff' AS TEXT) || '":0,"${key}"')`;

  it('but whose text alone is damaged are changed and removed', async () => {
    const { records, connection } = place.openWithConnection();
    for (const mediaId of ['a', 'b']) await records.accept(anImage({ mediaId, request }), Infinity);
    await records.close();
    connection.exec(damageText('images', 'mediaId'));
    const again = place.open();
    expect(await again.update('a', (image) => ({ ...image, thumbhash: 'x' }))).toMatchObject({
      '\ufffd': 0,
      thumbhash: 'x',
    });
    expect(await again.update('a', (image) => ({ ...image, thumbhash: 'y' }))).toMatchObject({ thumbhash: 'y' });
    expect(await again.remove('b')).toMatchObject({ mediaId: 'b' });
  });

  it('of the outbox, but whose text alone is damaged, are written as they are read', async () => {
    const { records, connection } = place.openWithConnection();
    await records.accept(anImage({ mediaId: 'bad', request }), Infinity);
    await records.update('bad', (image) => ({ ...image, status: 'failed' }));
    connection.exec(damageText('deliveries', 'id'));
    const next = await records.outbox.next({ ids: [], receivers: [] }, Infinity);
    const id = next?.delivery.id ?? '';
    const updated = await records.outbox.update(id, (delivery) => ({ ...delivery, status: 'failed' }));
    expect(updated).toMatchObject({ id, '\ufffd': 0, status: 'failed' });
    expect(await records.outbox.list('bad')).toEqual([updated]);
  });
});
