/** The load of a round: clients that send, repeat, delete and read, and record the answers they got. */

import { setTimeout as delay } from 'node:timers/promises';
import type { ImageRecord } from '../../src/core/domain/record.ts';
import { publishedFiles } from '../support/app/easel.ts';
import type { RunningService } from '../support/app/process.ts';
import { sha256 } from './audit.ts';
import { post, type Reply, retry } from './life.ts';

const CLIENTS = 6;

/** One request of a client, and what the client knows of it. Its prompt is unique, so that calls can be matched to it. */
export interface ClientRequest {
  readonly body: { readonly mediaId?: string; readonly prompt: string; readonly ttlSeconds?: number };
  readonly headers: Readonly<Record<string, string>>;
  mediaId: string | null;
  /** Whether an answer confirmed that the service had accepted it. */
  accepted: boolean;
  /** The life in which it was first sent, and whether a connection broke before an answer came. */
  readonly life: number;
  broken: boolean;
  /** How many sends of it have no answer yet. It is not deleted meanwhile: one that arrives after the DELETE would rightly be paid anew. */
  open: number;
  /** How often it was sent to the retry route, which may pay again each time. */
  retries: number;
  /** `begun` once it may be gone: a DELETE was sent, or it has a ttl; `done` when the DELETE was answered. */
  deletion: 'begun' | 'done' | null;
}

export interface Load {
  readonly random: () => number;
  readonly clientRequests: ClientRequest[];
  readonly violations: string[];
  /** Whether worker threads are killed. */
  readonly killsThreads: boolean;
  /** Pictures read so far. */
  reads: number;
}

/** A new request of a random kind: 30% have an Idempotency-Key, 60% a mediaId, 10% a mediaId and a ttl of 1 s. */
export function makeClientRequest(random: () => number, life: number, number: number): ClientRequest {
  const kind = random();
  const name = `${life}-${number}`;
  const prompt = `a lighthouse, number ${name}`;
  const request = { life, broken: false, open: 0, accepted: false, retries: 0, deletion: null };
  const later: Readonly<Record<string, string>> = random() < 0.5 ? { prefer: 'respond-async' } : {};
  if (kind < 0.3)
    return { ...request, body: { prompt }, headers: { ...later, 'idempotency-key': name }, mediaId: null };
  const mediaId = `picture-${name}`;
  return { ...request, body: { mediaId, prompt, ...(kind > 0.9 && { ttlSeconds: 1 }) }, headers: later, mediaId };
}

/** Clients that send every unaccepted request, some of them twice at once, and delete an image now and then. */
export function sendAll(load: Load, service: RunningService, over: AbortSignal): Promise<void>[] {
  const { random, clientRequests } = load;
  // A request with a ttl is sent in one life only: once its image has expired, a repeat would rightly be paid anew.
  const queue = clientRequests.filter((request) => !request.accepted && !(request.body.ttlSeconds && request.deletion));
  return Array.from({ length: CLIENTS }, async () => {
    for (let request = queue.shift(); request && !over.aborted; request = queue.shift()) {
      await delay(random() * 60);
      if (request.body.ttlSeconds) request.deletion = 'begun';
      const times = random() < 0.2 ? 2 : 1;
      await Promise.all(Array.from({ length: times }, () => send(load, service, request)));
      if (random() < 0.15) await deleteOne(load, service);
    }
  });
}

async function send(load: Load, service: RunningService, request: ClientRequest): Promise<void> {
  request.open += 1;
  const reply = await post(service.url, request.body, request.headers).catch(() => null);
  request.open -= 1;
  if (reply === null) {
    request.broken = true;
    return;
  }
  note(load, request, reply);
  if (reply.body.code !== 'provider_failed' || load.random() < 0.5) return;
  request.open += 1;
  request.retries += 1;
  const retried = await retry(service.url, reply.body.mediaId).catch(() => null);
  request.open -= 1;
  // 409: another send of the same request has run it again; 404: it was deleted meanwhile.
  if (retried !== null && retried.status !== 409 && retried.status !== 404) note(load, request, retried);
}

/** Notes what an answer says about the request. */
function note(load: Load, request: ClientRequest, reply: Reply): void {
  const { status, body } = reply;
  if (status === 200 || status === 201 || status === 202) {
    request.accepted = true;
    if (request.mediaId !== null && request.mediaId !== body.mediaId)
      load.violations.push(`${request.body.prompt} is ${request.mediaId} and ${body.mediaId}`);
    request.mediaId = body.mediaId;
  } else if (status === 502 && body.code === 'provider_failed') {
    request.accepted = true;
    request.mediaId ??= body.mediaId;
  } else if (status === 500 && body.code === 'internal_error' && load.killsThreads) {
    // Two threads died over its picture, which is kept: the next life is sent the request again, and finishes it.
    request.mediaId ??= body.mediaId;
  } else if (status !== 503) {
    load.violations.push(`${request.body.prompt}: ${status} ${JSON.stringify(body)}`);
  }
}

async function deleteOne({ random, clientRequests }: Load, service: RunningService): Promise<void> {
  const known = clientRequests.filter(
    ({ accepted, open, deletion, mediaId }) => accepted && open === 0 && deletion === null && mediaId !== null,
  );
  const request = known[Math.floor(random() * known.length)];
  if (request) await remove(request, service);
}

/** Sends a DELETE for the image of the request, and notes in the request how far it got. */
export async function remove(request: ClientRequest, { url }: RunningService): Promise<void> {
  request.deletion = 'begun';
  const response = await fetch(`${url}/images/${request.mediaId}`, { method: 'DELETE' }).catch(() => null);
  // A deletion that was cut short may be complete at the next start: then there is nothing left to delete.
  if (response?.status === 204 || response?.status === 404) request.deletion = 'done';
}

/** Reads published pictures until the life is over: each must have the SHA-256 of its record, or be a 404. */
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
