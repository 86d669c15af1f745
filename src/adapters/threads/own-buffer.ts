import { isMarkedAsUntransferable } from 'node:worker_threads';

/** A buffer may hold so much more than its bytes, as a share of it: less than a copy would cost. */
const MAX_SURPLUS = 1 / 8;

/**
 * The bytes in an `ArrayBuffer` that holds nothing else, or not much, and can be transferred to another thread: `bytes` itself where that
 * is so, else a copy. Small Buffers share one that Node keeps for many; memory that belongs to a native library (what sharp's `toBuffer`
 * returns) cannot move. After a transfer `bytes` is empty.
 */
export function ownBuffer(bytes: Uint8Array): Uint8Array<ArrayBuffer> {
  return isAlone(bytes) ? bytes : Uint8Array.from(bytes);
}

/** Gives the memory of the bytes back at once, without waiting for the garbage collector. They are empty afterwards. */
export function release(bytes: Uint8Array): void {
  if (isAlone(bytes)) bytes.buffer.transferToFixedLength(0);
}

function isAlone(bytes: Uint8Array): bytes is Uint8Array<ArrayBuffer> {
  const { buffer, byteOffset, byteLength } = bytes;
  if (!(buffer instanceof ArrayBuffer) || isMarkedAsUntransferable(buffer)) return false;
  return byteOffset === 0 && byteLength >= buffer.byteLength * (1 - MAX_SURPLUS);
}
