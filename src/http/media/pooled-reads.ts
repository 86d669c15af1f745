import { read } from 'node:fs';
import type { ServerResponse } from 'node:http';
import { Readable } from 'node:stream';

/** Bytes `start` to `start + bytes - 1` of an open file. */
interface FilePart {
  readonly fd: number;
  readonly start: number;
  readonly bytes: number;
  /** Called once, after the last read has ended. */
  readonly close: () => void;
}

/** A part of a file as a stream. It must be piped into `answer` and nowhere else: its buffer is reused when the socket has drained. */
type ReadInto = (part: FilePart, answer: ServerResponse) => Readable;

/** Size of a buffer, and of a read. Reads of 128 KiB take a quarter more CPU. */
const BUFFER_BYTES = 512 * 1024;
/** Most idle buffers that are kept. */
const MAX_IDLE = 32;

/**
 * Reads files through pooled buffers. `fs.createReadStream` allocates a buffer for every read, which the kernel has to zero and
 * the garbage collector to free: two thirds of what it costs to send a file. Each answer has one buffer, refilled whenever the
 * socket has taken all of it; the buffer returns to the pool when the answer is over.
 */
export function createPooledReads(): ReadInto {
  const idle: Buffer[] = [];
  return (part, answer) => {
    const buffer = idle.pop() ?? Buffer.allocUnsafeSlow(BUFFER_BYTES);
    answer.once('close', () => {
      // After an answer that was cut off, a read into the buffer may still be running: that buffer is not reused.
      if (answer.writableFinished && idle.length < MAX_IDLE) idle.push(buffer);
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
  /** Called when the running read ends; null while none runs. */
  #afterRead: (() => void) | null = null;

  constructor(part: FilePart, buffer: Buffer, answer: ServerResponse) {
    // With more than 1 the stream would read the next chunk while it still holds the last one, which is in the same buffer.
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
    // A stream asks for the next chunk just before it emits the one it holds.
    process.nextTick(() => {
      if (this.#answer.writableLength === 0) this.#fill();
      // A full buffer exceeds the socket's high-water mark, so `drain` will be emitted.
      else this.#answer.once('drain', () => this.#fill());
    });
  }

  /**
   * Reads until the buffer is full or the part complete; `filled` bytes of the buffer are read already. Network file systems
   * may return less than was asked for.
   */
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
    // Closing the descriptor during a read could let the read hit another file that reuses its number.
    if (this.#afterRead === null) close();
    else this.#afterRead = close;
  }
}
