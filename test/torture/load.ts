/** The load of a round: clients that ask, ask again, delete and read, and remember what they were told. */

import { setTimeout as delay } from 'node:timers/promises';
import type { ImageRecord } from '../../src/core/domain/record.ts';
import { publishedFiles } from '../support/app/easel.ts';
import type { RunningService } from '../support/app/process.ts';
import { sha256 } from './audit.ts';
import { post } from './life.ts';

const CLIENTS = 6;

/** What one client wants, and what it knows of it. Its prompt is its own, so that calls can be told apart. */
export interface Wish {
  readonly body: { readonly mediaId?: string; readonly prompt: string; readonly ttlSeconds?: number };
  readonly headers: Readonly<Record<string, string>>;
  mediaId: string | null;
  /** Whether an answer said that it was accepted. */
  accepted: boolean;
  /** The life in which it was first sent, and whether a connection broke before an answer came. */
  readonly life: number;
  broken: boolean;
  /** Requests for it that have no answer yet: after a DELETE, one of them would rightly be made, and paid, anew. */
  open: number;
  /** `begun` once it may be gone: a DELETE was sent, or it was told to expire; `done` when the DELETE was answered. */
  deletion: 'begun' | 'done' | null;
}

export interface Load {
  readonly random: () => number;
  readonly wishes: Wish[];
  readonly violations: string[];
  /** Pictures read so far. */
  reads: number;
}

export function makeWish(random: () => number, life: number, number: number): Wish {
  const kind = random();
  const name = `${life}-${number}`;
  const prompt = `a lighthouse, number ${name}`;
  const wish = { life, broken: false, open: 0, accepted: false, deletion: null };
  const later: Readonly<Record<string, string>> = random() < 0.5 ? { prefer: 'respond-async' } : {};
  if (kind < 0.3) return { ...wish, body: { prompt }, headers: { ...later, 'idempotency-key': name }, mediaId: null };
  const mediaId = `picture-${name}`;
  return { ...wish, body: { mediaId, prompt, ...(kind > 0.9 && { ttlSeconds: 1 }) }, headers: later, mediaId };
}

/** Clients that send every wish that has no answer yet, some of them twice at once, and delete a picture now and then. */
export function sendAll(load: Load, service: RunningService, over: AbortSignal): Promise<void>[] {
  const { random, wishes } = load;
  // What expires is sent once: after it has gone, the same request would rightly be made, and paid, anew.
  const queue = wishes.filter((wish) => !wish.accepted && !(wish.body.ttlSeconds && wish.deletion));
  return Array.from({ length: CLIENTS }, async () => {
    for (let wish = queue.shift(); wish && !over.aborted; wish = queue.shift()) {
      await delay(random() * 60);
      if (wish.body.ttlSeconds) wish.deletion = 'begun';
      const times = random() < 0.2 ? 2 : 1;
      await Promise.all(Array.from({ length: times }, () => send(load, service, wish)));
      if (random() < 0.15) await deleteOne(load, service);
    }
  });
}

async function send(load: Load, service: RunningService, wish: Wish): Promise<void> {
  wish.open += 1;
  const reply = await post(service.url, wish.body, wish.headers).catch(() => null);
  wish.open -= 1;
  if (reply === null) {
    wish.broken = true;
    return;
  }
  const { status, body } = reply;
  if (status === 200 || status === 201 || status === 202) {
    wish.accepted = true;
    if (wish.mediaId !== null && wish.mediaId !== body.mediaId)
      load.violations.push(`${wish.body.prompt} is ${wish.mediaId} and ${body.mediaId}`);
    wish.mediaId = body.mediaId;
  } else if (status === 502 && body.code === 'provider_failed') {
    wish.accepted = true;
    wish.mediaId ??= body.mediaId;
  } else if (status !== 503) {
    load.violations.push(`${wish.body.prompt}: ${status} ${JSON.stringify(body)}`);
  }
}

async function deleteOne({ random, wishes }: Load, service: RunningService): Promise<void> {
  const known = wishes.filter(
    ({ accepted, open, deletion, mediaId }) => accepted && open === 0 && deletion === null && mediaId !== null,
  );
  const wish = known[Math.floor(random() * known.length)];
  if (wish) await remove(wish, service);
}

export async function remove(wish: Wish, { url }: RunningService): Promise<void> {
  wish.deletion = 'begun';
  const response = await fetch(`${url}/images/${wish.mediaId}`, { method: 'DELETE' }).catch(() => null);
  // A deletion that was cut short may be complete at the next start: then there is nothing left to delete.
  if (response?.status === 204 || response?.status === 404) wish.deletion = 'done';
}

/** Reads pictures at random until the life is over: each has to be the one of its record, or not there. */
export async function readAll(load: Load, { url }: RunningService, over: AbortSignal): Promise<void> {
  while (!over.aborted) {
    const page = await fetch(`${url}/images?status=succeeded&limit=20`, { signal: over })
      .then((response) => response.json() as Promise<{ items: ImageRecord[] }>)
      .catch(() => ({ items: [] }));
    await delay(10);
    for (const record of page.items) {
      for (const file of publishedFiles(record)) {
        const response = await fetch(url + file.url).catch(() => null);
        const bytes = await response?.arrayBuffer().catch(() => null);
        if (!response || !bytes) return;
        load.reads += 1;
        const right = response.status === 200 && sha256(new Uint8Array(bytes)) === file.sha256;
        if (!right && response.status !== 404)
          load.violations.push(`${file.url}: ${response.status}, ${bytes.byteLength} bytes`);
      }
    }
  }
}
