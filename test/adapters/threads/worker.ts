/** What the threads of the pool's tests do. */

import { threadId, workerData } from 'node:worker_threads';
import { threadWork } from '../../../src/adapters/threads/thread-work.ts';
import { ImageError, ProviderError } from '../../../src/core/domain/errors.ts';

export interface Answer {
  readonly threadId: number;
  readonly workerData: unknown;
  readonly bytes: Uint8Array | null;
  readonly execArgv: readonly string[];
}

export type Order =
  | { readonly do: 'answer'; readonly bytes?: Uint8Array }
  /** Ends when `go` is not 0 any more; counts itself in `running` meanwhile. */
  | { readonly do: 'wait'; readonly go: Int32Array; readonly running: Int32Array }
  | { readonly do: 'raise'; readonly what: keyof typeof ERRORS }
  | { readonly do: 'exit' }
  | { readonly do: 'crash' };

export const ERRORS = {
  image: () =>
    new ImageError('invalid_image', 'it is blank', {
      checks: [{ name: 'uniformity', value: 0, threshold: 2, verdict: 'reject' }],
      paths: [{ path: 'size', message: 'too large' }],
      retryAfterSeconds: 3,
      isLasting: true,
      mediaId: 'a',
    }),
  provider: () =>
    new ProviderError('rate_limited', 'try "a cat" later', {
      httpStatus: 429,
      providerRequestId: 'req_1',
      retryAfterMs: 1500,
      reason: 'try later',
    }),
  system: () => Object.assign(new TypeError('no such file', { cause: new Error('the disk') }), { code: 'ENOENT' }),
};

export default threadWork<Order, Answer>(async (order) => {
  if (order.do === 'raise') throw ERRORS[order.what]();
  if (order.do === 'exit') process.exit(1);
  if (order.do === 'crash') {
    setImmediate(() => {
      throw new Error('raised outside of any task');
    });
    await new Promise(() => {});
  }
  if (order.do === 'wait') {
    Atomics.add(order.running, 0, 1);
    const waiting = Atomics.waitAsync(order.go, 0, 0);
    if (waiting.async) await waiting.value;
    Atomics.sub(order.running, 0, 1);
  }
  const bytes = order.do === 'answer' ? (order.bytes ?? null) : null;
  const transfer = bytes === null ? [] : [bytes.buffer as ArrayBuffer];
  return { result: { threadId, workerData, bytes, execArgv: process.execArgv }, transfer };
});
