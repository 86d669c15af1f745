import { read } from 'node:fs';
import type { ServerResponse } from 'node:http';
import { Readable } from 'node:stream';

/** Bytes `start` to `start + bytes - 1` of an open file. */
export interface FilePart {
  readonly fd: number;
  readonly start: number;
  readonly bytes: number;
  /** Called once, when nothing is read any more and nothing will be. */
  readonly close: () => void;
}

/** Gives a part of a file as a stream that is to be piped into `answer`, and nowhere else. */
export type ReadInto = (part: FilePart, answer: ServerResponse) => Readable;

/** Read at once. Chunks of 128 KiB take a quarter more CPU. */
const BUFFER_BYTES = 512 * 1024;
/** Buffers that are kept while nobody needs them. */
const MOST_KEPT = 32;

/**
 * Reads files through buffers that are used again: `fs.createReadStream` makes a new one for every read, which takes the
 * kernel's time to clear and the collector's to take away, two thirds of what it costs to send a file. Each answer has one
 * buffer, filled anew whenever the socket has taken all of it. It is passed on when the answer is over.
 */
export function createPooledReads(): ReadInto {
  const kept: Buffer[] = [];
  return (part, answer) => {
    const buffer = kept.pop() ?? Buffer.allocUnsafeSlow(BUFFER_BYTES);
    answer.once('close', () => {
      // Where the answer was cut off, a read into it may still be under way.
      if (answer.writableFinished && kept.length < MOST_KEPT) kept.push(buffer);
    });
    return new PooledRead(part, buffer, answer);
  };
}

class PooledRead extends Readable {
  readonly #part: FilePart;
  readonly #buffer: Buffer;
  readonly #answer: ServerResponse;
  /** Bytes read so far. */
  #done = 0;
  /** Called when the read that is under way ends; null when there is none. */
  #afterRead: (() => void) | null = null;

  constructor(part: FilePart, buffer: Buffer, answer: ServerResponse) {
    // With any more than 1, this would be asked for a chunk while it still holds the last one, in the same buffer.
    super({ highWaterMark: 1 });
    this.#part = part;
    this.#buffer = buffer;
    this.#answer = answer;
  }

  override _read(): void {
    if (this.#done === this.#part.bytes) {
      this.push(null);
      return;
    }
    // A stream asks for the next chunk just before it hands over the one it holds.
    process.nextTick(() => {
      if (this.#answer.writableLength === 0) this.#fill();
      // A whole buffer is more than a socket holds back without asking for a pause, so this comes.
      else this.#answer.once('drain', () => this.#fill());
    });
  }

  /** Reads on until the buffer, of which `filled` bytes are read, or the part is full: network file systems may give less at once. */
  #fill(filled = 0): void {
    if (this.destroyed) return;
    const { fd, start, bytes } = this.#part;
    this.#afterRead = () => {};
    const most = Math.min(this.#buffer.length, filled + bytes - this.#done);
    read(fd, this.#buffer, filled, most - filled, start + this.#done, (error, count) => {
      const afterRead = this.#afterRead;
      this.#afterRead = null;
      afterRead?.();
      if (this.destroyed) return;
      if (error !== null || count === 0) {
        this.destroy(error ?? new Error('the file ends before it should'));
        return;
      }
      this.#done += count;
      if (filled + count < most) this.#fill(filled + count);
      else this.push(this.#buffer.subarray(0, most));
    });
  }

  override _destroy(error: Error | null, done: (error: Error | null) => void): void {
    const close = () => {
      this.#part.close();
      done(error);
    };
    // A descriptor that is closed under a read may by then be another file's.
    if (this.#afterRead === null) close();
    else this.#afterRead = close;
  }
}
