import { describe, expect, it } from 'vitest';
import type { Row } from '../../../src/adapters/postgres/database.ts';
import { createWaitingJobs } from '../../../src/adapters/queue/waiting-jobs.ts';
import { until } from '../../support/until.ts';

/** A database that answers when the test says so. */
function heldDatabase() {
  const asked: { readonly values: readonly unknown[]; answer(rows: readonly Row[]): void; fail(): void }[] = [];
  const read = (_: string, values: readonly unknown[] = []) =>
    new Promise<readonly Row[]>((resolve, reject) => {
      asked.push({ values, answer: resolve, fail: () => reject(new Error('lost')) });
    });
  return { read, asked };
}

describe('the questions about waiting jobs', () => {
  it('are one statement at a time, sent after they were asked', async () => {
    const { read, asked } = heldDatabase();
    const jobs = createWaitingJobs({ read }, 'images');
    const first = [jobs.depth(), jobs.depth()];
    await until(() => asked.length === 1);
    const second = [jobs.depth(), jobs.depth(), jobs.depth()];
    asked[0]?.answer([{ waiting: '1', running: '0' }]);
    expect(await Promise.all(first)).toEqual([
      { waiting: 1, running: 0 },
      { waiting: 1, running: 0 },
    ]);
    await until(() => asked.length === 2);
    asked[1]?.answer([{ waiting: '5', running: '2' }]);
    expect(await Promise.all(second)).toEqual(Array(3).fill({ waiting: 5, running: 2 }));
    expect(asked).toHaveLength(2);
  });

  it('go on after one that failed, which fails for those that asked it', async () => {
    const { read, asked } = heldDatabase();
    const jobs = createWaitingJobs({ read }, 'images');
    const failing = Promise.allSettled([jobs.position('a'), jobs.position('b')]);
    await until(() => asked.length === 1);
    const next = jobs.position('c');
    expect(asked[0]?.values).toEqual(['images', ['a', 'b']]);
    asked[0]?.fail();
    expect((await failing).map(({ status }) => status)).toEqual(['rejected', 'rejected']);
    await until(() => asked.length === 2);
    asked[1]?.answer([{ key: 'c', place: '3' }]);
    expect(await next).toBe(3);
  });
});
