import { setTimeout as delay } from 'node:timers/promises';
import { EaselError } from '../../client/errors.ts';
import type { ImageRecord } from '../../client/shapes.ts';
import { isUnfinished } from '../service/find-record.ts';
import type { Session } from '../service/session.ts';
import { showProgress, type Terminal } from './progress.ts';

/** Pauses until the service knows the picture, or has begun with it again, in milliseconds. */
const PAUSE_MS = 300;

/** Waits for what `make` resolves to, and shows on a terminal how far the picture is. */
export async function withProgress(
  { easel, interrupted, signal }: Session,
  mediaId: string,
  make: () => Promise<ImageRecord>,
  terminal: Terminal = process.stderr,
): Promise<ImageRecord> {
  if (!terminal.isTTY) return await make();
  using progress = showProgress(terminal);
  const ended = new AbortController();
  const stop = AbortSignal.any([signal, interrupted, ended.signal]);
  const follow = async () => {
    for (;;) {
      try {
        for await (const { type, data } of easel.events(mediaId, { signal: stop })) {
          if (type === 'status' && isUnfinished(data)) progress.stage(data.status);
        }
        // The end of an earlier run, perhaps: ours is still on its way then.
      } catch (error) {
        const isOnItsWay = error instanceof EaselError && error.code === 'not_found';
        if (!isOnItsWay) throw error;
      }
      await delay(PAUSE_MS, undefined, { signal: stop });
    }
  };
  // What is said next begins a line.
  interrupted.addEventListener('abort', () => progress[Symbol.dispose](), { once: true });
  // Without the events, which a key may not be allowed to see, the picture is made all the same.
  const following = follow().catch(() => undefined);
  try {
    const record = await make();
    if (!interrupted.aborted) progress.done();
    return record;
  } finally {
    ended.abort();
    await following;
  }
}
