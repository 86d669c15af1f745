/** Clients that follow pictures by their events, at any replica, and see whether the end comes. */

import { setTimeout as delay } from 'node:timers/promises';
import type { Load, Target } from '../clients.ts';

/** One stream of events, and how it went on: `ended` with the event that ends it, `cut` with its connection or by a fault. */
export interface Watch {
  readonly mediaId: string;
  readonly url: string;
  state: 'open' | 'ended' | 'cut';
  /** What the last event says of the picture: its status, or `deleted`. */
  last: string | null;
}

const MOST_OPEN = 24;

/**
 * Begins to follow pictures that were accepted, until the fault is over; the streams live on, each until its picture ends. An answer other
 * than a stream, of a replica that has lost its database, ends a watch as a cut does.
 */
export async function watchAll({ random, clientRequests }: Load, target: Target, watches: Watch[], over: AbortSignal) {
  while (!over.aborted) {
    await delay(random() * 200);
    const known = clientRequests.filter(({ mediaId, accepted }) => accepted && mediaId !== null);
    const mediaId = known[Math.floor(random() * known.length)]?.mediaId;
    if (!mediaId || watches.filter(({ state }) => state === 'open').length >= MOST_OPEN) continue;
    const watch: Watch = { mediaId, url: target.url, state: 'open', last: null };
    watches.push(watch);
    void follow(watch);
  }
}

async function follow(watch: Watch): Promise<void> {
  try {
    const response = await fetch(`${watch.url}/images/${watch.mediaId}/events`);
    let text = '';
    for await (const chunk of response.status === 200 ? (response.body ?? []) : []) {
      text += Buffer.from(chunk).toString();
      const events = text.split('\n\n');
      text = events.pop() ?? '';
      for (const event of events) note(watch, event);
    }
  } catch {
    // The replica died, or was paused for too long.
  }
  if (watch.state === 'open') watch.state = 'cut';
}

function note(watch: Watch, event: string): void {
  const [, type = ''] = /^event: (.*)$/m.exec(event) ?? [];
  const [, data = 'null'] = /^data: (.*)$/m.exec(event) ?? [];
  const status = (JSON.parse(data) as { readonly status?: string } | null)?.status;
  watch.last = type === 'deleted' ? type : (status ?? watch.last);
  if (type === 'done' || type === 'deleted') watch.state = 'ended';
}

/** So long may the end of a picture take to its watchers, on a machine that is busy, in milliseconds. */
const LONGEST_NEWS_MS = 30_000;

/** What is wrong with the watches, once no work is left: one that is still open has missed the end. */
export async function auditWatches(watches: readonly Watch[]): Promise<readonly string[]> {
  const deadline = Date.now() + LONGEST_NEWS_MS;
  const open = () => watches.filter(({ state }) => state === 'open');
  while (open().length > 0 && Date.now() < deadline) await delay(100);
  return open().map(({ mediaId, url, last }) => `who follows ${mediaId} at ${url} has seen ${last}, and not its end`);
}
