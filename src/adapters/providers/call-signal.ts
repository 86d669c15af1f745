import { startAwakeTimeout, type Timers } from '../time/awake-time.ts';

/** The one signal of a call, which ends it for any of the reasons there are. Dispose of it when the call has ended. */
export interface CallSignal extends Disposable {
  readonly signal: AbortSignal;
  /** What has ended the call; null while it goes on. */
  readonly endedBy: 'cancellation' | 'timeout' | null;
  /** From now on the call is no longer ended by `cancelled`: a good answer has begun, and is paid for. */
  answerBegins(): void;
}

interface CallEnds {
  /** Ends the call until `answerBegins`. */
  readonly cancelled: AbortSignal | null;
  /** Ends the call at any time. */
  readonly abandoned: AbortSignal;
  /** Ends the call after so many milliseconds in which this process was awake. */
  readonly timeoutMs: number;
}

/** Opens the signal of a call that begins now. */
export function openCallSignal({ cancelled, abandoned, timeoutMs }: CallEnds, timers?: Timers): CallSignal {
  const controller = new AbortController();
  let endedBy: CallSignal['endedBy'] = null;
  const end = (by: 'cancellation' | 'timeout', reason: unknown) => {
    endedBy ??= by;
    controller.abort(reason);
  };
  const onCancelled = () => end('cancellation', cancelled?.reason);
  const onAbandoned = () => end('cancellation', abandoned.reason);
  const stopTimer = startAwakeTimeout(
    timeoutMs,
    () => end('timeout', new Error(`no complete response within ${timeoutMs / 1000} s`)),
    timers,
  );
  cancelled?.addEventListener('abort', onCancelled, { once: true });
  abandoned.addEventListener('abort', onAbandoned, { once: true });
  if (cancelled?.aborted) onCancelled();
  if (abandoned.aborted) onAbandoned();

  const answerBegins = () => cancelled?.removeEventListener('abort', onCancelled);
  return {
    signal: controller.signal,
    get endedBy() {
      return endedBy;
    },
    answerBegins,
    [Symbol.dispose]() {
      stopTimer();
      answerBegins();
      abandoned.removeEventListener('abort', onAbandoned);
    },
  };
}
