/** An HTTP proxy in front of an S3 server that answers as one in trouble does. */

import { createServer, request as httpRequest, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';

/**
 * How a request is answered. `unavailable`: 503 SlowDown, and the server does not see the request. `slow`: passed on after this many
 * milliseconds. `written`: passed on, and its answer replaced by a 500, so that a write has taken effect and the client is not told.
 */
export type HttpFault =
  | { readonly kind: 'none' }
  | { readonly kind: 'unavailable' }
  | { readonly kind: 'slow'; readonly ms: number }
  | { readonly kind: 'written' };

export interface HttpFaultProxy extends AsyncDisposable {
  readonly url: string;
  /** How often each kind of fault was given. */
  readonly given: Readonly<Record<HttpFault['kind'], number>>;
  /** Decides, request by request. `method` and `path` are those of the request. */
  set(fault: (method: string, path: string) => HttpFault): void;
}

const NONE: HttpFault = { kind: 'none' };

/** Passes every request on to `target`, an origin, with its headers as they are: signatures hold. */
export async function startHttpFaultProxy(target: string): Promise<HttpFaultProxy> {
  let decide: (method: string, path: string) => HttpFault = () => NONE;
  const given = { none: 0, unavailable: 0, slow: 0, written: 0 };

  const server = createServer((incoming, outgoing) => {
    const fault = decide(incoming.method ?? '', incoming.url ?? '');
    given[fault.kind] += 1;
    void pass(incoming, outgoing, fault).catch(() => outgoing.destroy());
  });

  async function pass(incoming: IncomingMessage, outgoing: ServerResponse, fault: HttpFault): Promise<void> {
    if (fault.kind === 'unavailable') {
      incoming.resume();
      answerError(outgoing, 503, 'SlowDown', 'Please reduce your request rate.');
      return;
    }
    if (fault.kind === 'slow') await delay(fault.ms);
    const { method, headers, url = '' } = incoming;
    const forwarded = httpRequest(target + url, { method, headers }, (answer) => {
      if (fault.kind === 'written') {
        answer.resume();
        answerError(outgoing, 500, 'InternalError', 'We encountered an internal error. Please try again.');
        return;
      }
      outgoing.writeHead(answer.statusCode ?? 502, answer.headers);
      answer.pipe(outgoing);
    });
    forwarded.on('error', () => outgoing.destroy());
    outgoing.once('close', () => forwarded.destroy());
    incoming.pipe(forwarded);
  }

  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    given,
    set(fault) {
      decide = fault;
    },
    async [Symbol.asyncDispose]() {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

function answerError(outgoing: ServerResponse, status: number, code: string, message: string): void {
  if (outgoing.headersSent || outgoing.destroyed) return;
  outgoing.writeHead(status, { 'content-type': 'application/xml' });
  outgoing.end(
    `<?xml version="1.0" encoding="UTF-8"?><Error><Code>${code}</Code><Message>${message}</Message></Error>`,
  );
}
