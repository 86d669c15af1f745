/**
 * How an HTTP answer is sent: at once, late, in small pieces, in part, or never. Used by the stand-in servers of the tests.
 *
 * Tests need not depend on time: a `Pause` is either milliseconds or a `Gate` that the test opens.
 */

import { type IncomingMessage, type ServerResponse, STATUS_CODES } from 'node:http';
import { setTimeout as sleep } from 'node:timers/promises';
import { gzipSync } from 'node:zlib';

/** Milliseconds, a gate, or `forever`: until the client disconnects or the server is closed. */
export type Pause = number | Gate | 'forever';

export type Piece = string | Uint8Array;

export interface Answer {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  /** One piece is sent with its content-length; a sequence is sent chunked, with backpressure. */
  readonly body: Piece | Iterable<Piece> | AsyncIterable<Piece>;
}

export interface Delivery {
  /** A pause before the status line. */
  readonly beforeHeaders?: Pause;
  /** A pause after the status line and one header, before the other headers. The connection is closed after the answer. */
  readonly inHeaders?: Pause;
  /** A pause between the headers and the body. */
  readonly beforeBody?: Pause;
  /** Sends the body in pieces of `bytes` bytes (a sequence keeps its own pieces), with a pause before each but the first. */
  readonly drip?: { readonly bytes?: number; readonly pause: Pause };
  /** Breaks the answer off. */
  readonly cut?: Cut;
  /** Compresses the whole body, and sends `content-encoding: gzip`. */
  readonly gzip?: boolean;
}

export interface Cut {
  /** What is sent before the cut. With 'nothing' the answer is not even made. */
  readonly after: 'nothing' | 'headers' | { readonly bytes: number } | { readonly pieces: number };
  /**
   * - `close`: the connection is closed, in the middle of the answer;
   * - `reset`: the connection is reset, so that the last bytes sent may be lost as well;
   * - `hang`: the connection stays open, and nothing more is sent;
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
  /** Lets `count` answers pass; where fewer are held, later ones count too. */
  release(count?: number): void;
  /** Lets everything pass from now on. */
  open(): void;
  /** Called for an answer: resolves when it may go on; rejects when the signal fires. */
  pass(signal: AbortSignal): Promise<void>;
}

/** Observes a gate, which calls `changed` when an answer arrives; `until` resolves once its condition holds. */
export interface Watch {
  changed(): void;
  until(condition: () => boolean): Promise<void>;
}

/** A closed gate that reports to `watch`. */
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

/** One request and its response, with the signal and the callback for sending an answer. */
export interface Exchange {
  readonly request: IncomingMessage;
  readonly response: ServerResponse;
  /** Fires when the client has disconnected, or the answer has to end for another reason. */
  readonly signal: AbortSignal;
  /** Called when the status line is about to be sent. */
  readonly onStatus: (status: number) => void;
}

/**
 * Sends the answer as `delivery` describes. Resolves with `answered` when all of it was handed to the operating system,
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
      // An answer that is short and yet complete is possible only with chunked encoding.
      ...(isPiece && cut?.by !== 'end' && { 'content-length': String(Buffer.byteLength(body)) }),
    },
  };
}

/** Sends the body; false where a cut broke it off. */
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
   * Resolves when the piece was handed to the operating system, so that a cut after it does not lose it. Rejects with the signal's
   * reason when that fires first, as it does when the connection is gone.
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

/** Writes to the socket, since node's ServerResponse cannot send half of the headers. */
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
