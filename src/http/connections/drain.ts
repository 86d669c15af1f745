import type { IncomingMessage } from 'node:http';
import { Readable } from 'node:stream';

/** How long, and how much, of a refused body is read on before the connection is cut all the same. */
const DRAIN_TIMEOUT_MS = 5_000;
const MAX_DRAIN_BYTES = 64 * 1024 * 1024;

/** Whether the client is still sending, or has yet to send, a body. */
export function hasUnreadBody(request: IncomingMessage): boolean {
  const { 'content-length': length, 'transfer-encoding': encoding } = request.headers;
  return !request.complete && (encoding !== undefined || Number(length ?? 0) > 0);
}

/**
 * A response body that is sent at once but ends only when the client has sent all of its own.
 *
 * A server that closes a connection with unread bytes resets it, and the reset may overtake the answer (RFC 9112, 9.6).
 * With a Content-Length the client has its answer before the connection ends.
 */
export function createDrainingBody(answer: Buffer, request: IncomingMessage): Readable {
  return Readable.from(
    (async function* () {
      yield answer;
      await drainBody(request);
    })(),
  );
}

/** Resolves when the rest of the body has been read and thrown away, or patience has run out. */
function drainBody(request: IncomingMessage): Promise<void> {
  return new Promise((resolve) => {
    if (request.complete || request.destroyed) return resolve();
    let left = MAX_DRAIN_BYTES;
    const done = () => {
      clearTimeout(timer);
      request.off('data', onData).off('end', done).off('close', done).off('error', done);
      resolve();
    };
    const onData = (chunk: Buffer) => {
      left -= chunk.length;
      if (left < 0) done();
    };
    const timer = setTimeout(done, DRAIN_TIMEOUT_MS);
    request.on('data', onData).on('end', done).on('close', done).on('error', done).resume();
  });
}
