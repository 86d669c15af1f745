import type { IncomingMessage } from 'node:http';
import { Readable } from 'node:stream';

/** Limits of draining a refused body; beyond either, the connection is closed although the client still sends. */
const DRAIN_TIMEOUT_MS = 5_000;
const MAX_DRAIN_BYTES = 64 * 1024 * 1024;

/** True when the client still has to send a body, or a part of one. */
export function hasUnreadBody(request: IncomingMessage): boolean {
  const { 'content-length': length, 'transfer-encoding': encoding } = request.headers;
  return !request.complete && (encoding !== undefined || Number(length ?? 0) > 0);
}

/**
 * A response body that is sent at once but ends only when the client has sent all of its own body.
 *
 * A server that closes a connection with unread bytes resets it, and the reset may overtake the answer (RFC 9112, 9.6). The
 * response needs a Content-Length, so that the client has the whole answer before the connection ends.
 */
export function createDrainingBody(answer: Buffer, request: IncomingMessage): Readable {
  return Readable.from(
    (async function* () {
      yield answer;
      await drainBody(request);
    })(),
  );
}

/** Reads and discards the rest of the body, up to a time and a size limit. */
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
