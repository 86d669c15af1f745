import { once } from 'node:events';
import { setImmediate as nextRound } from 'node:timers/promises';
import { Worker } from 'node:worker_threads';
import { describe, expect, it, onTestFinished, vi } from 'vitest';
import { openSqliteRecords } from '../../../../../src/adapters/records/sqlite/records.ts';
import type {
  FromThread,
  Result,
  ThreadData,
  ToThread,
} from '../../../../../src/adapters/records/sqlite/writer/write.ts';
import { ImageError } from '../../../../../src/core/domain/errors.ts';
import type { Image } from '../../../../../src/core/domain/image.ts';
import type { RecordStore } from '../../../../../src/core/ports/record-store.ts';
import { anImage } from '../../../../contracts/record-store/example-images.ts';
import { trivialDerive } from '../../../../contracts/record-store/trivial-derive.ts';
import { LONGEST_WAIT_MS, until } from '../../../../support/until.ts';
import { execute, integrity, makePlaceForEach } from '../fixture.ts';
import { countCommits } from '../wal.ts';

const place = makePlaceForEach();

/** Records that wait for a lock of another program as long as a test may take. */
function openPatiently(): RecordStore {
  const records = openSqliteRecords({ path: place.path(), derive: trivialDerive, busyTimeoutMs: LONGEST_WAIT_MS });
  onTestFinished(() => records.close());
  return records;
}

/** The threads that have been sent something since. */
function watchThreads(): () => readonly Worker[] {
  const post = vi.spyOn(Worker.prototype, 'postMessage');
  onTestFinished(() => post.mockRestore());
  return () => [...new Set(post.mock.contexts as Worker[])];
}

describe('the thread that writes', () => {
  it('lets writes that arrive while it cannot commit share one commit, in which each ends by itself', async () => {
    const records = openPatiently();
    await records.accept(anImage({ mediaId: 'a' }), Infinity);
    const { connection } = place.openConnection();
    connection.exec('BEGIN IMMEDIATE');
    const before = await countCommits(`${place.path()}-wal`);
    const accepts = Array.from({ length: 20 }, (_, n) => records.accept(anImage({ mediaId: `b${n % 10}` }), Infinity));
    const updated = records.update('a', (image) => ({ ...image, status: 'generating' }));
    // By then every one of them is on its way to the thread.
    await nextRound();
    connection.exec('ROLLBACK');
    const outcomes = (await Promise.all(accepts)).map(({ outcome }) => outcome);
    expect([...new Set(outcomes.slice(0, 10)), ...new Set(outcomes.slice(10))]).toEqual(['accepted', 'exists']);
    expect((await updated)?.status).toBe('generating');
    // The second of each pair took its turn after the first, and wrote nothing.
    expect((await countCommits(`${place.path()}-wal`)) - before).toBe(1);
  });

  it('answers each write whose time ends while another program writes, whenever that is', async () => {
    await place.open().identity();
    const { connection } = place.openConnection();
    connection.exec('BEGIN IMMEDIATE');
    const workerData = { path: place.path(), files: [] } satisfies ThreadData;
    const thread = new Worker(new URL('./fast-clock.ts', import.meta.url), { workerData });
    const ends = new Map<number, Result>();
    thread.on('message', (results: FromThread) => {
      for (const { id, result } of results) ends.set(id, result);
    });
    const ids = Array.from({ length: 20 }, (_, id) => id);
    for (const id of ids) thread.postMessage({ id, write: { steps: [], waitMs: 2 * id + 5 } } satisfies ToThread);
    thread.postMessage('close' satisfies ToThread);
    // It ends when no write waits any more.
    await once(thread, 'exit');
    expect([...ends.keys()].toSorted((a, b) => a - b)).toEqual(ids);
  });

  it('applies a change again where another program has changed the record meanwhile', async () => {
    const records = openPatiently();
    await records.accept(anImage({ mediaId: 'a' }), Infinity);
    let calls = 0;
    const updated = await records.update('a', (image) => {
      calls += 1;
      if (calls === 1)
        execute(place.path(), `UPDATE images SET document = json_set(document, '$.revisedPrompt', 'theirs')`);
      return { ...image, thumbhash: 'ours' };
    });
    expect([calls, updated?.revisedPrompt, updated?.thumbhash]).toEqual([2, 'theirs', 'ours']);
    expect(await records.get('a')).toEqual(updated);
  });

  it('raises a lasting fault of the image where its record never stays as it was read', async () => {
    const records = openPatiently();
    await records.accept(anImage({ mediaId: 'a' }), Infinity);
    const updating = records.update('a', (image) => {
      execute(place.path(), `UPDATE images SET document = json_set(document, '$.run', document ->> '$.run' + 1)`);
      return { ...image, thumbhash: 'ours' };
    });
    await expect(updating).rejects.toMatchObject({ code: 'storage_unavailable', mediaId: 'a', isLasting: true });
  });

  it('is not started by a process that only reads, and ends with the records', async () => {
    const threads = watchThreads();
    const records = place.open();
    await records.identity();
    await records.close();
    expect(threads()).toHaveLength(1);
    expect(threads()[0]?.threadId).toBe(-1);
    const again = place.open();
    await again.identity();
    await again.list({ limit: 1, owner: null });
    await again.close();
    expect(threads()).toHaveLength(1);
  });

  it('does not keep a process alive, which ends by itself once its write is durable', async () => {
    const child = place.startChild(`
      await open().accept(${JSON.stringify(anImage({ mediaId: 'a' }))}, 1);
      process.stdout.write('accepted');`);
    const [code] = await once(child, 'exit');
    expect(code).toBe(0);
    expect(await place.open().get('a')).not.toBeNull();
  });

  it('ends every write that was accepted before it closes', async () => {
    const records = place.open();
    const accepts = Array.from({ length: 20 }, (_, n) => records.accept(anImage({ mediaId: `a${n}` }), Infinity));
    const updates = Array.from({ length: 5 }, () =>
      records.update('a0', (image) => ({ ...image, run: image.run + 1 })),
    );
    await records.close();
    expect(new Set((await Promise.all(accepts)).map(({ outcome }) => outcome))).toEqual(new Set(['accepted']));
    await Promise.all(updates);
    const again = place.open();
    expect(await again.unfinished()).toHaveLength(20);
    expect((await again.get('a0'))?.run).toBe(6);
    await expect(records.accept(anImage({ mediaId: 'late' }), 1)).rejects.toMatchObject({
      code: 'storage_unavailable',
    });
  });
});

describe('a thread that dies', () => {
  it('has what it did not store written by another one, and fails it where that dies, too', async () => {
    const threads = watchThreads();
    const records = openPatiently();
    await records.accept(anImage({ mediaId: 'a' }), Infinity);
    const { connection } = place.openConnection();
    connection.exec('BEGIN IMMEDIATE');
    const updated = records.update('a', (image) => ({ ...image, run: image.run + 1 }));
    await threads()[0]?.terminate();
    await until(() => threads().length === 2);
    connection.exec('ROLLBACK');
    expect((await updated)?.run).toBe(2);

    connection.exec('BEGIN IMMEDIATE');
    const lost = [
      records.update('a', (image) => ({ ...image, status: 'generating' })),
      records.accept(anImage({ mediaId: 'b' }), Infinity),
    ];
    const ends = Promise.allSettled(lost);
    await threads()[1]?.terminate();
    await until(() => threads().length === 3);
    await threads()[2]?.terminate();
    const unavailable = { code: 'storage_unavailable', isLasting: false, message: expect.stringContaining('thread') };
    for (const end of await ends) expect(end).toMatchObject({ status: 'rejected', reason: unavailable });
    connection.exec('ROLLBACK');
    expect(await records.get('b')).toBeNull();
    expect((await records.update('a', (image) => ({ ...image, thumbhash: 'x' })))?.status).toBe('queued');
    expect(threads()).toHaveLength(4);
  });

  it('has written what it committed, though it died before it could say so', async () => {
    const threads = watchThreads();
    const records = openPatiently();
    /** Ends the thread of a write when it has committed, and before its answer is read. */
    const dying = async <T>(write: () => Promise<T>): Promise<T> => {
      const before = threads().length;
      const written = write();
      await until(() => threads().length > before);
      const worker = threads().at(-1);
      worker?.removeAllListeners('message');
      worker?.once('message', () => void worker.terminate());
      const outcome = await written;
      expect(worker?.threadId).toBe(-1);
      return outcome;
    };
    expect(await dying(() => records.accept(anImage({ mediaId: 'a' }), Infinity))).toEqual({ outcome: 'accepted' });
    let changes = 0;
    const change = (image: Image): Image => {
      changes += 1;
      return { ...image, run: image.run + 1 };
    };
    expect(await dying(() => records.requeue('a', Infinity, change))).toMatchObject({ run: 2 });
    expect(changes).toBe(1);
    expect((await records.get('a'))?.run).toBe(2);
    expect(await dying(() => records.remove('a'))).toMatchObject({ mediaId: 'a' });
    expect(await records.get('a')).toBeNull();
  });

  it('loses nothing that was acknowledged and doubles nothing that is tried again, whenever it dies', async () => {
    const threads = watchThreads();
    const records = openPatiently();
    const acknowledged = new Map<string, number>();
    let writes = 0;

    /** Writes as the pipeline does: again after `storage_unavailable`, with a change that finds out what it has done. */
    const persist = async (write: () => Promise<unknown>): Promise<void> => {
      for (;;) {
        try {
          await write();
          writes += 1;
          return;
        } catch (error) {
          if (!(error instanceof ImageError && error.code === 'storage_unavailable')) throw error;
        }
      }
    };
    const workOn = async (mediaId: string): Promise<void> => {
      await persist(() => records.accept(anImage({ mediaId }), Infinity));
      for (let run = 2; run <= 12; run += 1) {
        await persist(() => records.update(mediaId, (image) => (image.run === run ? null : { ...image, run })));
        acknowledged.set(mediaId, run);
      }
    };
    let isWorking = true;
    const killing = (async () => {
      for (let killedAt = 0; isWorking; ) {
        await nextRound();
        if (writes < killedAt + 15) continue;
        killedAt = writes;
        await threads().at(-1)?.terminate();
      }
    })();
    await Promise.all(Array.from({ length: 8 }, (_, n) => workOn(`m${n}`)));
    isWorking = false;
    await killing;
    expect(threads().length).toBeGreaterThan(3);
    await records.close();
    const again = place.open();
    for (const [mediaId, run] of acknowledged) expect((await again.get(mediaId))?.run).toBe(run);
    expect(await again.countByStatus()).toMatchObject({ queued: 8 });
    await again.close();
    expect(integrity(place.path())).toBe('ok');
  });
});
