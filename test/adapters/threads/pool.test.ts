import { readFile } from 'node:fs/promises';
import { describe, expect, it, onTestFinished } from 'vitest';
import { ownBuffer, release } from '../../../src/adapters/threads/own-buffer.ts';
import { createThreadPool, type ThreadPoolOptions } from '../../../src/adapters/threads/pool.ts';
import { ImageError, ProviderError } from '../../../src/core/domain/errors.ts';
import { until } from '../../support/until.ts';
import { type Answer, ERRORS, type Order } from './worker.ts';

function open(options: Partial<ThreadPoolOptions> = {}) {
  const worker = new URL('./worker.ts', import.meta.url);
  const pool = createThreadPool<Order, Answer>({ worker, maxThreads: 1, ...options });
  onTestFinished(() => pool.close());
  return pool;
}

/** A cell that threads share. */
const cell = () => new Int32Array(new SharedArrayBuffer(4));

describe('createThreadPool', () => {
  it('starts no thread before the first task, and ends an idle one', async () => {
    const pool = open({ idleMs: 1 });
    expect(pool.threadCount).toBe(0);
    const { threadId } = await pool.run({ do: 'answer' });
    expect(threadId).toBeGreaterThan(0);
    await until(() => pool.threadCount === 0);
    expect((await pool.run({ do: 'answer' })).threadId).not.toBe(threadId);
  });

  it('gives its threads workerData, and no flags of this process', async () => {
    const answer = await open({ workerData: { depth: 3 } }).run({ do: 'answer' });
    expect(answer).toMatchObject({ workerData: { depth: 3 }, execArgv: [] });
  });

  it('moves buffers there and back', async () => {
    const bytes = Uint8Array.of(1, 2, 3);
    const answered = open().run({ do: 'answer', bytes }, { transfer: [bytes.buffer] });
    expect((await answered).bytes).toEqual(Uint8Array.of(1, 2, 3));
    expect(bytes.byteLength).toBe(0);
  });

  it('spreads tasks over its threads, and runs no more than it may at the same time', async () => {
    const pool = open({ maxThreads: 2, concurrentTasksPerWorker: 2 });
    const go = cell();
    const running = cell();
    const tasks = Array.from({ length: 7 }, () => pool.run({ do: 'wait', go, running }));
    await until(() => Atomics.load(running, 0) === 4);
    expect(pool.threadCount).toBe(2);
    Atomics.store(go, 0, 1);
    Atomics.notify(go, 0);
    const threads = (await Promise.all(tasks)).map(({ threadId }) => threadId);
    expect(new Set(threads).size).toBe(2);
  });

  it.each(['exit', 'crash'] as const)(
    'rejects the tasks of a thread that dies (%s), and serves those that wait',
    async (how) => {
      const pool = open();
      const [dead, next] = await Promise.allSettled([pool.run({ do: how }), pool.run({ do: 'answer' })]);
      expect(dead).toMatchObject({ reason: { name: 'ThreadDiedError' } });
      expect(next).toMatchObject({ status: 'fulfilled' });
    },
  );

  it('rejects tasks whose thread cannot start, and says why', async () => {
    const pool = open({ worker: new URL('./missing.ts', import.meta.url), maxThreads: 2 });
    for (const ended of await Promise.allSettled([1, 2, 3].map(() => pool.run({ do: 'answer' })))) {
      expect(ended).toMatchObject({ reason: { name: 'ThreadDiedError' } });
      expect(String((ended as PromiseRejectedResult).reason.cause)).toContain('missing.ts');
    }
  });

  it('ends its threads when it is closed, and leaves no task hanging', async () => {
    const pool = open();
    const [go, running] = [cell(), cell()];
    const tasks = [pool.run({ do: 'wait', go, running }), pool.run({ do: 'answer' })];
    const ended = Promise.allSettled(tasks);
    await until(() => Atomics.load(running, 0) === 1);
    await pool.close();
    const closed = { status: 'rejected', reason: { name: 'AbortError' } };
    expect(await ended).toMatchObject([closed, closed]);
    await expect(pool.run({ do: 'answer' })).rejects.toMatchObject({ name: 'AbortError' });
    expect(pool.threadCount).toBe(0);
  });

  it('raises ImageError and ProviderError with all their fields', async () => {
    const pool = open();
    const image = await pool.run({ do: 'raise', what: 'image' }).catch((error: unknown) => error);
    expect(image).toBeInstanceOf(ImageError);
    expect({ ...(image as ImageError) }).toEqual({ ...ERRORS.image() });
    const provider = await pool.run({ do: 'raise', what: 'provider' }).catch((error: unknown) => error);
    expect(provider).toBeInstanceOf(ProviderError);
    expect({ ...(provider as ProviderError) }).toEqual({ ...ERRORS.provider() });
    expect(provider).toMatchObject({ message: 'try "a cat" later', outcome: 'failed' });
  });

  it('keeps name, code, stack and cause of other errors', async () => {
    const error = await open()
      .run({ do: 'raise', what: 'system' })
      .catch((raised: unknown) => raised);
    expect(error).toBeInstanceOf(Error);
    expect(error).toMatchObject({ name: 'TypeError', message: 'no such file', code: 'ENOENT' });
    expect(error).toMatchObject({ cause: { message: 'the disk' }, stack: expect.stringContaining('worker.ts') });
  });
});

describe('ownBuffer', () => {
  it('copies what shares its memory, and nothing else', async () => {
    const own = Uint8Array.of(1, 2, 3);
    expect(ownBuffer(own)).toBe(own);
    const pooled = Buffer.from('abc');
    expect(pooled.buffer.byteLength).toBeGreaterThan(3);
    const copy = ownBuffer(pooled);
    expect([...copy]).toEqual([...pooled]);
    structuredClone(copy, { transfer: [copy.buffer] });
    expect([pooled.toString(), copy.byteLength]).toEqual(['abc', 0]);
  });

  it('takes a file that was read as it is', async () => {
    const file = await readFile(import.meta.filename);
    expect(ownBuffer(file).buffer).toBe(file.buffer);
  });
});

describe('release', () => {
  it('empties bytes that are alone in their memory, and no others', () => {
    const own = new Uint8Array(8);
    release(own);
    const pooled = Buffer.from('abc');
    release(pooled);
    expect([own.byteLength, pooled.toString()]).toEqual([0, 'abc']);
  });
});
