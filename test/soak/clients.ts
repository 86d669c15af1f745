/** The clients of the soak: some wait, some leave, some listen, some delete, some read. */

import { setTimeout as delay } from 'node:timers/promises';
import type { ImageRecord } from '../../src/core/domain/record.ts';
import type { RunningService } from '../support/app/process.ts';

interface Load {
  readonly service: RunningService;
  readonly random: () => number;
  readonly webhookUrl: string;
}

export interface Sent {
  readonly requests: number;
  readonly accepted: number;
  readonly violations: readonly string[];
}

const CLIENTS = 4;
/** Statuses that a request may rightly meet: done, at work, gone, refused for now, failed at the provider. */
const EXPECTED = new Set([200, 201, 202, 204, 404, 409, 429, 502, 503, 504, 507]);

/** Sends requests until `over` fires, and returns what was wrong with their answers. */
export async function sendRequests({ service, random, webhookUrl }: Load, over: AbortSignal): Promise<Sent> {
  const { url } = service;
  const violations: string[] = [];
  let requests = 0;
  let accepted = 0;

  async function send(path: string, init: RequestInit): Promise<{ status: number; body: ImageRecord | null }> {
    const response = await fetch(url + path, init);
    if (!EXPECTED.has(response.status)) violations.push(`${init.method} ${path}: ${response.status}`);
    const text = await response.text();
    return { status: response.status, body: text === '' ? null : (JSON.parse(text) as ImageRecord) };
  }

  async function makeOne(number: number): Promise<void> {
    const mediaId = `soak-${number}`;
    const leaves = random() < 0.2;
    const body = JSON.stringify({ mediaId, prompt: `picture ${number}`, ...(random() < 0.3 && { webhookUrl }) });
    const headers = { 'content-type': 'application/json', ...(random() < 0.5 && { prefer: 'respond-async' }) };
    const signal = AbortSignal.timeout(leaves ? Math.ceil(random() * 300) : 60_000);
    const { status } = await send('/images', { method: 'POST', headers, body, signal });
    if (status >= 300) return;
    accepted += 1;
    const kind = random();
    if (kind < 0.1) await send(`/images/${mediaId}/cancel`, { method: 'POST' });
    else if (kind < 0.2) await send(`/images/${mediaId}`, { method: 'DELETE' });
    else if (kind < 0.3)
      await send(`/images/${mediaId}/retry`, { method: 'POST', signal: AbortSignal.timeout(60_000) });
    else if (kind < 0.4) await listen(mediaId);
    else await fetch(`${url}/media/${mediaId}.png`).then((response) => response.arrayBuffer());
  }

  /** Follows the events of an image for a moment, and leaves. */
  async function listen(mediaId: string): Promise<void> {
    const response = await fetch(`${url}/images/${mediaId}/events`, { signal: AbortSignal.timeout(2_000) });
    await response.text();
  }

  await Promise.all(
    Array.from({ length: CLIENTS }, async () => {
      while (!over.aborted) {
        requests += 1;
        // A connection that breaks, or a client that leaves, is what the soak is about.
        await makeOne(requests).catch(() => undefined);
        await delay(100 + random() * 200);
      }
    }),
  );
  return { requests, accepted, violations };
}
