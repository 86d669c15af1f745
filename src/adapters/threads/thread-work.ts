/** The side of a thread: what its worker file exports, and how it hands results back. */

import type { Transferable } from 'node:worker_threads';
import { move, transferableSymbol, valueSymbol } from 'piscina';
import { type ErrorData, toErrorData } from './error-data.ts';

/** What a task brought, and the buffers in it that move to the receiver instead of being copied. */
export interface Outcome<Result> {
  readonly result: Result;
  readonly transfer?: readonly Transferable[];
}

/** A task's end as it crosses to the pool's thread. */
export type TaskReply<Result> =
  | { readonly result: Result }
  /** What the task raised. Errors go as data, since structured cloning loses their classes and fields. */
  | { readonly failure: ErrorData };

/** Makes the default export of a worker file. What `work` raises is raised by `ThreadPool.run`, with its fields. */
export function threadWork<Task, Result>(work: (task: Task) => Promise<Outcome<Result>>) {
  return async (task: Task): Promise<unknown> => {
    try {
      const { result, transfer = [] } = await work(task);
      return moved({ result }, transfer);
    } catch (error) {
      return { failure: toErrorData(error) } satisfies TaskReply<Result>;
    }
  };
}

/** `reply` with its buffers to be moved, as piscina takes it. */
function moved<Result>(reply: TaskReply<Result>, transfer: readonly Transferable[]): unknown {
  // Declared as plain symbols, which TypeScript does not take as the keys of its own interface.
  const marked = { [transferableSymbol]: transfer, [valueSymbol]: reply } as unknown as Parameters<typeof move>[0];
  return move(marked);
}
