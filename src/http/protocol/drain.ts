import type { IncomingMessage } from 'node:http';
import { Readable } from 'node:stream';

/**
 * Limits of draining a refused body: how long the client may send nothing, and how much it may send. Beyond either, the connection is
 * closed although the client still sends, as it is where the whole request takes longer than the server's `requestTimeout`.
 */
const DRAIN_IDLE_MS = 5_000;
/** Twice the largest body that is read, since a client may send most of one before it looks for an answer. */
const MAX_DRAIN_BYTES = 256 * 1024 * 1024;

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

/** Reads and discards the rest of the body, up to the limits. */
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
      if (left < 0) return done();
      timer.refresh();
    };
    const timer = setTimeout(done, DRAIN_IDLE_MS);
    request.on('data', onData).on('end', done).on('close', done).on('error', done).resume();
  });
}
