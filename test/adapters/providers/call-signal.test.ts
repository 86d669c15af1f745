import { expect, test } from 'vitest';
import { openCallSignal } from '../../../src/adapters/providers/call-signal.ts';

/** Opens the signal of a call, with a timer that fires when the test says so. */
function open() {
  const cancelled = new AbortController();
  const abandoned = new AbortController();
  let timer: (() => void) | null = null;
  const timers = {
    now: () => 0,
    setTimeout: (callback: () => void) => {
      timer = callback;
    },
    clearTimeout: () => {
      timer = null;
    },
  };
  const ends = { cancelled: cancelled.signal, abandoned: abandoned.signal, timeoutMs: 100 };
  return { cancelled, abandoned, call: openCallSignal(ends, timers), expire: () => timer?.() };
}

test('a call goes on until something ends it', () => {
  const { call } = open();
  expect([call.signal.aborted, call.endedBy]).toEqual([false, null]);
});

test('what ends a call first is what has ended it', () => {
  const first = open();
  first.cancelled.abort(new Error('cancelled'));
  first.expire();
  expect([first.call.endedBy, first.call.signal.reason]).toEqual(['cancellation', new Error('cancelled')]);
  const second = open();
  second.expire();
  second.abandoned.abort();
  expect([second.call.endedBy, second.call.signal.aborted]).toEqual(['timeout', true]);
});

test('once its answer has begun, a cancellation does not end a call, but being abandoned and the time limit do', () => {
  for (const end of ['abandoned', 'timeout'] as const) {
    const { call, cancelled, abandoned, expire } = open();
    call.answerBegins();
    cancelled.abort();
    expect([call.signal.aborted, call.endedBy]).toEqual([false, null]);
    if (end === 'abandoned') abandoned.abort();
    else expire();
    expect([call.signal.aborted, call.endedBy]).toEqual([true, end === 'abandoned' ? 'cancellation' : 'timeout']);
  }
});

test('nothing ends a call that was disposed of', () => {
  const { call, cancelled, abandoned, expire } = open();
  call[Symbol.dispose]();
  cancelled.abort();
  abandoned.abort();
  expire();
  expect([call.signal.aborted, call.endedBy]).toEqual([false, null]);
});
