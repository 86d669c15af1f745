/** The load of a round: clients that send, repeat, delete and read, and record the answers they got. */

import { setTimeout as delay } from 'node:timers/promises';
import type { ImageRecord } from '../../src/core/domain/record.ts';
import { publishedFiles } from '../support/app/easel.ts';
import { sha256 } from './audit.ts';
import type { ClientRequest, Load, Target } from './clients.ts';
import { anyPictures } from './edit-pictures.ts';
import { post, type Reply, retry } from './life.ts';

const CLIENTS = 6;

/**
 * A new request of a random kind: 30% have an Idempotency-Key, 60% a mediaId, 10% a mediaId and a ttl of 1 s. A fourth of them bring
 * pictures, and some start from one of the `earlier` requests' pictures.
 */
export function makeClientRequest(
  random: () => number,
  life: number,
  number: number,
  earlier: readonly ClientRequest[],
): ClientRequest {
  const kind = random();
  const name = `${life}-${number}`;
  const { files, ...inputs } = anyInputs(random, earlier);
  const given = { prompt: `a lighthouse, number ${name}`, ...inputs };
  const request = { life, files, broken: false, open: 0, accepted: false, retries: 0, deletion: null };
  const later: Readonly<Record<string, string>> = random() < 0.5 ? { prefer: 'respond-async' } : {};
  if (kind < 0.3) return { ...request, body: given, headers: { ...later, 'idempotency-key': name }, mediaId: null };
  const mediaId = `picture-${name}`;
  return { ...request, body: { mediaId, ...given, ...(kind > 0.9 && { ttlSeconds: 1 }) }, headers: later, mediaId };
}

function anyInputs(random: () => number, earlier: readonly ClientRequest[]) {
  const kind = random();
  if (kind < 0.25) {
    const files = anyPictures(random);
    const images = files.filter(({ name }) => name !== 'mask');
    const mask = images.length < files.length && { mask: { file: 'mask' } };
    return { files, inputs: images.map(({ name }) => ({ file: name })), ...mask };
  }
  // One with a ttl is gone too soon to start from.
  const sources = earlier.flatMap(({ accepted, deletion, mediaId }) =>
    accepted && deletion === null && mediaId !== null ? [mediaId] : [],
  );
  const mediaId = kind < 0.4 && sources[Math.floor(random() * sources.length)];
  return { files: [], ...(mediaId && { inputs: [{ mediaId }] }) };
}

/** Whether the request starts from a picture of another request, which may fail or be deleted. */
export function hasSource({ body: { inputs = [] } }: ClientRequest): boolean {
  return inputs.some((input) => 'mediaId' in input);
}

/** Clients that send every unaccepted request, some of them twice at once, and delete an image now and then. */
export function sendAll(load: Load, target: Target, over: AbortSignal): Promise<void>[] {
  const { random, clientRequests } = load;
  // A request with a ttl is sent in one life only: once its image has expired, a repeat would rightly be paid anew.
  const queue = clientRequests.filter((request) => !request.accepted && !(request.body.ttlSeconds && request.deletion));
  return Array.from({ length: CLIENTS }, async () => {
    for (let request = queue.shift(); request && !over.aborted; request = queue.shift()) {
      await delay(random() * 60);
      if (request.body.ttlSeconds) request.deletion = 'begun';
      const times = random() < 0.2 ? 2 : 1;
      await Promise.all(Array.from({ length: times }, () => send(load, target, request)));
      if (random() < 0.15) await deleteOne(load, target);
    }
  });
}

async function send(load: Load, target: Target, request: ClientRequest): Promise<void> {
  request.open += 1;
  const reply = await post(target.url, request.body, request.headers, request.files).catch(() => null);
  request.open -= 1;
  if (reply === null) {
    request.broken = true;
    return;
  }
  note(load, request, reply);
  if (reply.body.code !== 'provider_failed' || load.random() < 0.5) return;
  request.open += 1;
  request.retries += 1;
  const retried = await retry(target.url, reply.body.mediaId).catch(() => null);
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
    request.mediaId ??= body.mediaId ?? null;
  } else if (status === 500 && body.code === 'internal_error' && load.killsThreads) {
    // Two threads died over its picture, which is kept: the next life is sent the request again, and finishes it. Where they died over what
    // it starts from, nothing was accepted, and the answer names no picture.
    request.mediaId ??= body.mediaId ?? null;
  } else if (status !== 503 && status !== 507 && !(hasSource(request) && isAboutSource(reply))) {
    load.violations.push(`${request.body.prompt}: ${status} ${JSON.stringify(body)}`);
  }
}

/** The picture that the request starts from is not there, or not yet: nothing of it was accepted. */
function isAboutSource({ status, body: { detail = '' } }: Reply): boolean {
  return (status === 404 || status === 409) && detail.startsWith('inputs.0: ');
}

async function deleteOne({ random, clientRequests }: Load, target: Target): Promise<void> {
  const known = clientRequests.filter(
    ({ accepted, open, deletion, mediaId }) => accepted && open === 0 && deletion === null && mediaId !== null,
  );
  const request = known[Math.floor(random() * known.length)];
  if (request) await remove(request, target);
}

/** Sends a DELETE for the image of the request, and notes in the request how far it got. */
export async function remove(request: ClientRequest, { url }: Target): Promise<void> {
  request.deletion = 'begun';
  const response = await fetch(`${url}/images/${request.mediaId}`, { method: 'DELETE' }).catch(() => null);
  // A deletion that was cut short may be complete at the next start: then there is nothing left to delete.
  if (response?.status === 204 || response?.status === 404) request.deletion = 'done';
}

/**
 * Reads published pictures until the life is over: each must have the SHA-256 of its record, or be a 404, or a 503 while storage is
 * broken.
 */
export async function readAll(load: Load, target: Target, over: AbortSignal): Promise<void> {
  while (!over.aborted) {
    const page: { readonly items?: readonly ImageRecord[] } = await fetch(
      `${target.url}/images?status=succeeded&limit=20`,
      { signal: over },
    )
      .then((response) => response.json() as Promise<{ items?: ImageRecord[] }>)
      .catch(() => ({}));
    await delay(10);
    for (const record of page.items ?? []) {
      for (const file of publishedFiles(record)) {
        const wasBroken = load.isStorageBroken === true;
        const response = await fetch(target.url + file.url).catch(() => null);
        const bytes = await response?.arrayBuffer().catch(() => null);
        if (!response || !bytes) break;
        load.reads += 1;
        const right = response.status === 200 && sha256(new Uint8Array(bytes)) === file.sha256;
        const mayRefuse = wasBroken || load.isStorageBroken === true;
        // Gone meanwhile, or where no replica gets to at the moment.
        if (!right && response.status !== 404 && !(response.status === 503 && mayRefuse))
          load.violations.push(
            `${file.url}: ${response.status}, ${bytes.byteLength} bytes ${response.status >= 500 ? Buffer.from(bytes).toString() : ''}`,
          );
      }
    }
  }
}
