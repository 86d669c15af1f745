/** A real webhook receiver on loopback: it keeps the messages whose signature the `standardwebhooks` package verifies. */

import { createServer, type IncomingHttpHeaders } from 'node:http';
import type { AddressInfo } from 'node:net';
import { Webhook } from 'standardwebhooks';
import type { ImageRecord } from '../../../src/core/domain/record.ts';
import { eventually } from '../until.ts';
import { type Answer, type Delivery, deliver } from './http-delivery.ts';

export const TEST_SECRET = `whsec_${Buffer.alloc(32, 7).toString('base64')}`;

export interface Received {
  readonly headers: IncomingHttpHeaders;
  readonly message: { readonly type: string; readonly timestamp: string; readonly data: ImageRecord };
}

/** How one message is answered; 204 without a body where nothing is set. */
export interface Reaction extends Partial<Answer> {
  readonly delivery?: Delivery;
}

export interface WebhookReceiver extends AsyncDisposable {
  readonly url: string;
  readonly host: string;
  /** The verified messages, in order of arrival; a message that does not verify is answered with 400. */
  readonly received: readonly Received[];
  /** Requests that have no answer yet. */
  readonly open: number;
  /** How often a message came while the same message, by its id, had no answer yet. */
  readonly overlaps: number;
  /** How the next messages are answered, one reaction each; after them `always` applies. */
  script(...reactions: readonly Reaction[]): void;
  /** How all messages are answered for which `script` has no reaction; 204 by default. */
  always(reaction: Reaction): void;
  /** Resolves once `count` messages were received; rejects after 10 s. */
  came(count: number): Promise<void>;
}

export async function startReceiver(secret = TEST_SECRET): Promise<WebhookReceiver> {
  const verifier = new Webhook(secret);
  const received: Received[] = [];
  const scripted: Reaction[] = [];
  let standing: Reaction = {};
  let open = 0;
  let overlaps = 0;
  const openIds: string[] = [];

  const server = createServer(async (request, response) => {
    open++;
    const id = String(request.headers['webhook-id']);
    if (openIds.includes(id)) overlaps++;
    openIds.push(id);
    const gone = new AbortController();
    response.once('close', () => {
      open--;
      openIds.splice(openIds.indexOf(id), 1);
      gone.abort();
    });
    const body = Buffer.concat(await Array.fromAsync(request)).toString();
    let { status = 204, headers = {}, body: answer = '', delivery = {} } = scripted.shift() ?? standing;
    try {
      const message = verifier.verify(body, request.headers as Record<string, string>) as Received['message'];
      received.push({ headers: request.headers, message });
    } catch {
      status = 400;
    }
    const exchange = { request, response, signal: gone.signal, onStatus: () => {} };
    await deliver(exchange, () => ({ status, headers, body: answer }), delivery).catch(() => undefined);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const host = `127.0.0.1:${(server.address() as AddressInfo).port}`;
  return {
    url: `http://${host}/hook`,
    host,
    received,
    get open() {
      return open;
    },
    get overlaps() {
      return overlaps;
    },
    script: (...reactions) => void scripted.push(...reactions),
    always(reaction) {
      standing = reaction;
    },
    came: (count) =>
      eventually(() => {
        if (received.length < count) throw new Error(`${received.length} of ${count} messages came`);
      }),
    async [Symbol.asyncDispose]() {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}
