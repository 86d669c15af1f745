import { isMarkedAsUntransferable } from 'node:worker_threads';

/**
 * The bytes in an `ArrayBuffer` that holds nothing else and can be transferred to another thread: `bytes` itself where that is so, else
 * a copy. Small Buffers share one that Node keeps for many; memory that belongs to a native library (what sharp's `toBuffer` returns)
 * cannot move. After a transfer `bytes` is empty.
 */
export function ownBuffer(bytes: Uint8Array): Uint8Array<ArrayBuffer> {
  const { buffer, byteOffset, byteLength } = bytes;
  const isWhole = buffer instanceof ArrayBuffer && byteOffset === 0 && byteLength === buffer.byteLength;
  if (isWhole && !isMarkedAsUntransferable(buffer)) return bytes as Uint8Array<ArrayBuffer>;
  return Uint8Array.from(bytes);
}

/** Gives the memory of the bytes back at once, without waiting for the garbage collector. They are empty afterwards. */
export function release(bytes: Uint8Array): void {
  const { buffer, byteLength } = bytes;
  if (!(buffer instanceof ArrayBuffer) || byteLength < buffer.byteLength || isMarkedAsUntransferable(buffer)) return;
  buffer.transfer(0);
}
