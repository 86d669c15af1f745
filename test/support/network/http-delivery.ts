/**
 * How an answer travels: at once, late, in drops, in part, or never. Used by the stand-in servers of the tests.
 *
 * Waiting does not depend on time: a `Pause` is either milliseconds or a `Gate` that the test opens when it likes.
 */

import { type IncomingMessage, type ServerResponse, STATUS_CODES } from 'node:http';
import { setTimeout as sleep } from 'node:timers/promises';
import { gzipSync } from 'node:zlib';

/** Milliseconds, a gate, or for ever: until the client goes away or the server is closed. */
export type Pause = number | Gate | 'forever';

export type Piece = string | Uint8Array;

export interface Answer {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  /** One piece is sent with its content-length; a sequence is sent chunked, and waits while the client is slow. */
  readonly body: Piece | Iterable<Piece> | AsyncIterable<Piece>;
}

export interface Delivery {
  /** Before the status line. */
  readonly beforeHeaders?: Pause;
  /** After the status line and one header, before the other headers. The connection is closed after the answer. */
  readonly inHeaders?: Pause;
  /** Between the headers and the body. */
  readonly beforeBody?: Pause;
  /** The body in pieces of `bytes` bytes (a sequence keeps its own pieces), with a pause before each but the first. */
  readonly drip?: { readonly bytes?: number; readonly pause: Pause };
  /** Stops on the way. */
  readonly cut?: Cut;
  /** Compresses the body, whole, and says so. */
  readonly gzip?: boolean;
}

export interface Cut {
  /** What is still sent. With 'nothing' the answer is not even made. */
  readonly after: 'nothing' | 'headers' | { readonly bytes: number } | { readonly pieces: number };
  /**
   * - `close`: the connection is closed, in the middle of the answer;
   * - `reset`: it is reset, so that what was sent last may be lost as well;
   * - `hang`: nothing more happens;
   * - `end`: the answer ends properly, but short.
   */
  readonly by: 'close' | 'reset' | 'hang' | 'end';
}

/** Holds answers back until the test lets them go. */
export interface Gate {
  /** How many answers are held here now. */
  readonly waiting: number;
  /** Resolves once at least `count` answers are held here. */
  reached(count?: number): Promise<void>;
  /** Lets `count` answers pass, those that come later included. */
  release(count?: number): void;
  /** Lets everything pass from now on. */
  open(): void;
  /** Resolves when the one who waits may go on; rejects when the signal fires. */
  pass(signal: AbortSignal): Promise<void>;
}

/** Where a gate tells of those who wait at it: `until` resolves once its condition holds after some `changed`. */
export interface Watch {
  changed(): void;
  until(condition: () => boolean): Promise<void>;
}

export function createGate(watch: Watch): Gate {
  const held = new Set<() => void>();
  let isOpen = false;
  let passes = 0;

  const letGo = (count: number) => {
    for (const go of [...held].slice(0, count)) go();
  };
  return {
    get waiting() {
      return held.size;
    },
    reached: (count = 1) => watch.until(() => held.size >= count),
    release(count = 1) {
      passes += Math.max(0, count - held.size);
      letGo(count);
    },
    open() {
      isOpen = true;
      letGo(held.size);
    },
    async pass(signal) {
      if (isOpen) return;
      if (passes > 0) {
        passes--;
        return;
      }
      let go = () => {};
      try {
        await unlessAborted(signal, (resolve) => {
          go = () => {
            held.delete(go);
            resolve();
          };
          held.add(go);
          watch.changed();
        });
      } finally {
        held.delete(go);
      }
    },
  };
}

/** One request and its response, and who has to know about it. */
export interface Exchange {
  readonly request: IncomingMessage;
  readonly response: ServerResponse;
  /** Fires when the client has gone, or the answer has to end for another reason. */
  readonly signal: AbortSignal;
  /** Called when the status line is about to be sent. */
  readonly onStatus: (status: number) => void;
}

/**
 * Sends the answer as the delivery says. Resolves with `answered` when all of it was handed to the operating system,
 * with `dropped` when it was cut off on purpose; rejects with the signal's reason when that fires first.
 */
export async function deliver(
  exchange: Exchange,
  makeAnswer: () => Answer | Promise<Answer>,
  delivery: Delivery,
): Promise<'answered' | 'dropped'> {
  const { cut } = delivery;
  const { signal } = exchange;
  const { socket } = exchange.request;
  const answer = cut?.after === 'nothing' ? null : await prepare(await makeAnswer(), delivery);

  await pass(delivery.beforeHeaders, signal);
  signal.throwIfAborted();
  if (answer) {
    const channel =
      delivery.inHeaders === undefined
        ? responseChannel(exchange.response, signal)
        : socketChannel(exchange.request, delivery.inHeaders, signal);
    exchange.onStatus(answer.status);
    await channel.head(answer, delivery.beforeBody !== undefined || cut?.after === 'headers');
    const isWhole = cut?.after !== 'headers' && (await sendBody(answer.body, channel, delivery, signal));
    if (isWhole || cut?.by === 'end') {
      await channel.end();
      return 'answered';
    }
  }
  if (cut?.by === 'hang') await pass('forever', signal);
  else if (cut?.by === 'reset') socket.resetAndDestroy();
  else socket.destroySoon();
  return 'dropped';
}

// ------------------------------------------------------------- the parts

async function prepare(answer: Answer, { gzip, cut }: Delivery): Promise<Answer> {
  const body = gzip ? gzipSync(await collect(answer.body)) : answer.body;
  const isPiece = typeof body === 'string' || body instanceof Uint8Array;
  return {
    status: answer.status,
    body,
    headers: {
      ...answer.headers,
      ...(gzip && { 'content-encoding': 'gzip' }),
      // A proper end that comes early is possible in chunks only.
      ...(isPiece && cut?.by !== 'end' && { 'content-length': String(Buffer.byteLength(body)) }),
    },
  };
}

/** Whether the whole body went out, and no cut fell into it. */
async function sendBody(
  body: Answer['body'],
  channel: Channel,
  { beforeBody, drip, cut }: Delivery,
  signal: AbortSignal,
): Promise<boolean> {
  await pass(beforeBody, signal);
  const limit = typeof cut?.after === 'object' ? cut.after : { pieces: Number.POSITIVE_INFINITY };
  let bytesLeft = 'bytes' in limit ? limit.bytes : Number.POSITIVE_INFINITY;
  let piecesLeft = 'pieces' in limit ? limit.pieces : Number.POSITIVE_INFINITY;
  let isFirst = true;
  for await (const piece of pieces(body, drip?.bytes)) {
    if (piecesLeft-- <= 0) return false;
    if (!isFirst) await pass(drip?.pause, signal);
    isFirst = false;
    if (piece.length > bytesLeft) {
      await channel.write(piece.subarray(0, bytesLeft));
      return false;
    }
    await channel.write(piece);
    bytesLeft -= piece.length;
  }
  return true;
}

async function* pieces(body: Answer['body'], size = Number.POSITIVE_INFINITY): AsyncGenerator<Buffer> {
  if (typeof body !== 'string' && !(body instanceof Uint8Array)) {
    for await (const piece of body) yield toBuffer(piece);
    return;
  }
  const bytes = toBuffer(body);
  for (let start = 0; start < bytes.length; start += size) yield bytes.subarray(start, start + size);
}

async function collect(body: Answer['body']): Promise<Buffer> {
  return Buffer.concat(await Array.fromAsync(pieces(body)));
}

function toBuffer(piece: Piece): Buffer {
  return typeof piece === 'string' ? Buffer.from(piece) : Buffer.from(piece.buffer, piece.byteOffset, piece.byteLength);
}

async function pass(pause: Pause | undefined, signal: AbortSignal): Promise<void> {
  if (pause === undefined) return;
  if (pause === 'forever') await unlessAborted(signal, () => {});
  else if (typeof pause === 'number') await sleep(pause, undefined, { signal });
  else await pause.pass(signal);
}

function unlessAborted(signal: AbortSignal, start: (resolve: () => void) => void): Promise<void> {
  return new Promise((resolve, reject) => {
    if (signal.aborted) return reject(signal.reason);
    const giveUp = () => reject(signal.reason);
    signal.addEventListener('abort', giveUp, { once: true });
    start(() => {
      signal.removeEventListener('abort', giveUp);
      resolve();
    });
  });
}

interface Channel {
  head(answer: Answer, flush: boolean): Promise<void>;
  /**
   * Resolves when the piece has left this process, so that a cut after it does not swallow it. Never resolves when it
   * could not: then the connection is gone, and the signal fires.
   */
  write(piece: Buffer): Promise<void>;
  end(): Promise<void>;
}

function responseChannel(response: ServerResponse, signal: AbortSignal): Channel {
  return {
    async head({ status, headers }, flush) {
      response.writeHead(status, headers);
      if (flush) response.flushHeaders();
    },
    write: (piece) => unlessAborted(signal, (resolve) => response.write(piece, (error) => error ?? resolve())),
    end: () => unlessAborted(signal, (resolve) => response.end(() => resolve())),
  };
}

/** Past node's response object, which cannot send half a head. */
function socketChannel({ socket }: IncomingMessage, inHeaders: Pause, signal: AbortSignal): Channel {
  const write = (piece: Piece) =>
    unlessAborted(signal, (resolve) => socket.write(piece, (error) => error ?? resolve()));
  return {
    async head({ status, headers }) {
      await write(`HTTP/1.1 ${status} ${STATUS_CODES[status] ?? ''}\r\nconnection: close\r\n`);
      await pass(inHeaders, signal);
      const lines = Object.entries(headers).map(([name, value]) => `${name}: ${value}\r\n`);
      await write(`${lines.join('')}\r\n`);
    },
    write,
    end: () => unlessAborted(signal, (resolve) => socket.end(() => resolve())),
  };
}
