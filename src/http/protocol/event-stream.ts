import { Readable } from 'node:stream';
import type { FastifyReply } from 'fastify';
import type { Clock } from '../../core/ports/clock.ts';

/** One event, before it is written as the HTML standard's chapter on server-sent events has it. */
export interface ServerSentEvent {
  /** Without line breaks, like the type. */
  readonly id: string;
  readonly type: string;
  /** Sent as one line of JSON. Events with the very same object share one frame. */
  readonly data: object;
}

/** Shorter than the idle times of common proxies, of which 30 s is among the least. */
const HEARTBEAT_MS = 15_000;
/** What clients are asked to wait before they connect again. */
const RECONNECT_MS = 1_000;

/**
 * Answers with `events`, each written when the client is ready to take it, and a comment every 15 s in which there is none.
 * The next event is asked for only when the one before is on its way, so a slow client holds one event and a socket's
 * buffer, whatever happens meanwhile; one that takes nothing, heartbeats included, is cut off by `connectionTimeout`.
 */
export function sendEvents(reply: FastifyReply, events: AsyncIterable<ServerSentEvent>, clock: Clock): FastifyReply {
  return (
    reply
      .type('text/event-stream')
      .header('cache-control', 'no-cache, no-transform')
      // nginx would collect what is to be seen at once.
      .header('x-accel-buffering', 'no')
      // A kept connection would hold up a stop of the service.
      .header('connection', 'close')
      .send(Readable.from(writeFrames(events, clock), { objectMode: false }))
  );
}

async function* writeFrames(events: AsyncIterable<ServerSentEvent>, clock: Clock): AsyncGenerator<string | Buffer> {
  // The headers go out with the first bytes, so there have to be some at once.
  yield `retry: ${RECONNECT_MS}\n\n`;
  const iterator = events[Symbol.asyncIterator]();
  try {
    let next = iterator.next();
    for (;;) {
      const arrived = new AbortController();
      const heartbeat = clock.sleep(HEARTBEAT_MS, arrived.signal).then(() => null);
      const result = await Promise.race([next, heartbeat]).finally(() => arrived.abort());
      if (result === null) {
        yield ': nothing new\n\n';
      } else if (result.done) {
        return;
      } else {
        yield frameOf(result.value);
        next = iterator.next();
      }
    }
  } finally {
    await iterator.return?.();
  }
}

const frames = new WeakMap<object, Buffer>();

function frameOf({ id, type, data }: ServerSentEvent): Buffer {
  const known = frames.get(data);
  if (known) return known;
  const frame = Buffer.from(`id: ${id}\nevent: ${type}\ndata: ${JSON.stringify(data)}\n\n`);
  frames.set(data, frame);
  return frame;
}
