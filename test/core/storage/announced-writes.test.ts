import { describe, expect, it } from 'vitest';
import { ImageError } from '../../../src/core/domain/errors.ts';
import type { Image } from '../../../src/core/domain/image.ts';
import type { ImageChange } from '../../../src/core/domain/image-change.ts';
import { announceWrites } from '../../../src/core/storage/announced-writes.ts';
import { exampleImage } from '../../support/app/fake-images.ts';
import { openRecords } from '../../support/app/records.ts';
import { temporaryFolder } from '../../support/temporary-folder.ts';

async function scene() {
  const folder = await temporaryFolder();
  const records = openRecords(folder.path);
  const heard: (string | null)[] = [];
  const changes: ImageChange[] = [];
  const events = {
    announce(change: ImageChange) {
      heard.push(`${change.mediaId} ${change.kind}`);
      changes.push(change);
    },
    missed: () => void heard.push('missed'),
  };
  return {
    records,
    writes: announceWrites(records, events),
    /** The same events, over writes that may fail. */
    over: (failing: Partial<typeof records>) => announceWrites({ ...records, ...failing }, events),
    heard,
    changes,
    async [Symbol.asyncDispose]() {
      await records.close();
      await folder[Symbol.asyncDispose]();
    },
  };
}

const image = (mediaId: string, more: Partial<Image> = {}) =>
  exampleImage({ mediaId, owner: 'blog', idempotencyKey: null, ...more });

describe('writes', () => {
  it('are announced once they are durable, each with the owner and what is stored then', async () => {
    await using test = await scene();
    const { writes, heard } = test;
    await writes.accept([image('a', { status: 'queued' }), image('b')], 9);
    await writes.update('a', (before) => ({ ...before, status: 'generating' }));
    await writes.update('a', (before) => ({ ...before, status: 'failed' }));
    await writes.requeue('a', 9, (before) => ({ ...before, status: 'queued', run: 2 }));
    await writes.update('b', (before) => ({ ...before, thumbhash: 'x' }));
    await writes.remove('b');
    expect(heard).toEqual(['a created', 'b created', 'a status', 'a done', 'a status', 'b changed', 'b deleted']);
    expect(test.changes.every(({ owner }) => owner === 'blog')).toBe(true);
    expect(test.changes.at(-3)?.image).toEqual(await test.records.get('a'));
  });

  it('that write nothing are not announced', async () => {
    await using test = await scene();
    const { writes, heard } = test;
    await writes.accept(image('a', { status: 'queued' }), 9);
    heard.length = 0;
    expect((await writes.accept(image('a'), 9)).outcome).toBe('exists');
    expect((await writes.accept(image('b', { status: 'queued' }), 1)).outcome).toBe('queue_full');
    await writes.update('a', () => null);
    await writes.update('none', (before) => ({ ...before, thumbhash: 'x' }));
    await writes.update('a', (before) => ({ ...before, claim: 3 }));
    await expect(
      writes.update('a', () => {
        throw new Error('not now');
      }),
    ).rejects.toThrow('not now');
    await writes.remove('a', () => false);
    await writes.remove('none');
    expect(heard).toEqual([]);
  });

  it('whose effect is not known are said to have been missed, once the store works again', async () => {
    await using test = await scene();
    const { records, heard } = test;
    let fails = true;
    const writes = test.over({
      async update(...given) {
        const stored = await records.update(...given);
        if (fails) throw new ImageError('storage_unavailable', 'the answer was lost');
        return stored;
      },
      remove: async () => {
        throw new ImageError('budget_exhausted', 'no effect');
      },
    });
    await writes.accept(image('a'), 9);
    for (let tries = 0; tries < 2; tries += 1) {
      await expect(writes.update('a', (before) => ({ ...before, thumbhash: 'x' }))).rejects.toThrow('was lost');
    }
    expect(heard).toEqual(['a created']);
    fails = false;
    await writes.update('a', () => null);
    await writes.update('a', (before) => ({ ...before, thumbhash: 'y' }));
    await expect(writes.remove('a')).rejects.toThrow('no effect');
    await writes.update('a', () => null);
    expect(heard).toEqual(['a created', 'missed', 'a changed']);
  });
});
