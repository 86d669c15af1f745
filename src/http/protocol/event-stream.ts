import { Readable } from 'node:stream';
import type { FastifyReply } from 'fastify';
import type { Clock } from '../../core/ports/clock.ts';

/** One event of a stream of Server-Sent Events (HTML standard, 9.2). */
export interface ServerSentEvent {
  /** Neither `id` nor `type` may contain line breaks. */
  readonly id: string;
  readonly type: string;
  /** Sent as one line of JSON. Events with the same object share its bytes, across streams; their type is the same. */
  readonly data: object;
}

/** Interval of the heartbeat: shorter than the idle timeouts of common proxies, of which 30 s is among the shortest. */
const HEARTBEAT_MS = 15_000;
/** How long clients wait before they reconnect, sent as `retry`. */
const RECONNECT_MS = 1_000;

/**
 * Answers with a stream of `events`, and a comment after every 15 s without an event. Backpressure: the next event is taken
 * only when the last one was written, so a slow client costs one event and a socket's buffer. A client that reads nothing at
 * all, not even heartbeats, is disconnected by `connectionTimeout`. `firstId` is what a client that has received no event yet
 * sends as `Last-Event-ID` when it comes back.
 */
export function sendEvents(
  reply: FastifyReply,
  events: AsyncIterable<ServerSentEvent>,
  clock: Clock,
  { firstId = null }: { readonly firstId?: string | null } = {},
): FastifyReply {
  const opening = firstId === null ? '' : `id: ${firstId}\n`;
  return sendFrames(reply, `retry: ${RECONNECT_MS}\n${opening}\n`, framesOf(events), clock);
}

async function* framesOf(events: AsyncIterable<ServerSentEvent>): AsyncGenerator<Frame> {
  for await (const event of events) yield frameOf(event);
}

/** An event as it is sent, its blank line included; a large one in pieces. */
export type Frame = string | Buffer | Iterable<string | Buffer> | AsyncIterable<string>;

/** Does what `sendEvents` does with events that are written out already. `opening` is sent at once. */
export function sendFrames(
  reply: FastifyReply,
  opening: string,
  frames: AsyncIterable<Frame>,
  clock: Clock,
): FastifyReply {
  return (
    reply
      .type('text/event-stream')
      .header('cache-control', 'no-cache, no-transform')
      // Switches off nginx's response buffering.
      .header('x-accel-buffering', 'no')
      // A kept-alive connection would delay the stop of the service.
      .header('connection', 'close')
      .send(Readable.from(writeFrames(opening, frames, clock), { objectMode: false }))
  );
}

async function* writeFrames(
  opening: string,
  frames: AsyncIterable<Frame>,
  clock: Clock,
): AsyncGenerator<string | Buffer> {
  // The headers are sent with the first bytes, so some have to be sent at once.
  yield opening;
  const iterator = frames[Symbol.asyncIterator]();
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
        if (typeof result.value === 'string' || Buffer.isBuffer(result.value)) yield result.value;
        else yield* result.value;
        next = iterator.next();
      }
    }
  } finally {
    await iterator.return?.();
  }
}

/** What follows the id of an event, by its `data` object. */
const serialized = new WeakMap<object, Buffer>();

function frameOf({ id, type, data }: ServerSentEvent): Frame {
  const known = serialized.get(data) ?? Buffer.from(`event: ${type}\ndata: ${JSON.stringify(data)}\n\n`);
  serialized.set(data, known);
  return [`id: ${id}\n`, known];
}
