/** Clients of a bench that send requests for pictures, each the next one when the last is answered. */

import { Agent, request } from 'node:http';
import { setTimeout as delay } from 'node:timers/promises';

export interface Load {
  /** The services, which get the requests in turns. */
  readonly urls: readonly string[];
  readonly clients: number;
  /** 201 where the clients wait for their pictures, 202 where they do not. */
  readonly status: 201 | 202;
  readonly prompt: string;
}

let sent = 0;

/** What a client waits after a refusal, in milliseconds. */
const REFUSED_MS = 50;

/**
 * Sends for so many milliseconds; returns how many requests a second were answered. A refusal because of overload is no answer: the client
 * goes on after a moment.
 */
export async function sendFor({ urls, clients, status, prompt }: Load, ms: number): Promise<number> {
  const agent = new Agent({ keepAlive: true, maxSockets: clients });
  let answered = 0;
  const began = performance.now();
  const client = async () => {
    while (performance.now() < began + ms) {
      sent += 1;
      const got = await post(`${urls[sent % urls.length]}/images`, { prompt: `${prompt}, ${sent}` }, status, agent);
      if (got === status) answered += 1;
      else if (got === 429) await delay(REFUSED_MS);
      else throw new Error(`answered with ${got}`);
    }
  };
  await Promise.all(Array.from({ length: clients }, client));
  const seconds = (performance.now() - began) / 1000;
  agent.destroy();
  return answered / seconds;
}

/** By node:http alone: `fetch` would take as much of the processor as the service. */
function post(url: string, body: object, status: 201 | 202, agent: Agent): Promise<number | undefined> {
  const text = JSON.stringify(body);
  const headers = {
    'content-type': 'application/json',
    'content-length': Buffer.byteLength(text),
    ...(status === 202 && { prefer: 'respond-async' }),
  };
  return new Promise((resolve, reject) => {
    const sending = request(url, { method: 'POST', headers, agent }, (response) => {
      response.resume();
      response.once('end', () => resolve(response.statusCode));
    });
    sending.once('error', reject);
    sending.end(text);
  });
}
