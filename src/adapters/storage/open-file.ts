import type { FileHandle } from 'node:fs/promises';
import { Readable } from 'node:stream';
import type { ByteRange, OpenFile } from '../../core/ports/media-store.ts';

/** Read at once by a stream. */
const CHUNK_BYTES = 256 * 1024;

/**
 * The open file of a handle, which it takes over: it is closed by `close`, or here when its size cannot be had.
 * `failed` gives the error to raise for one of the file system.
 */
export async function openFile(
  handle: FileHandle,
  range: ByteRange | undefined,
  failed: (error: unknown) => unknown,
): Promise<OpenFile> {
  let stream: Readable | null = null;
  const close = async () => {
    stream?.destroy();
    await handle.close().catch(() => undefined);
  };
  try {
    const { size } = await handle.stat();
    const part = range ?? { start: 0, end: size - 1 };
    return {
      bytes: size,
      fd: handle.fd,
      stream() {
        stream = readPart(handle, part, failed);
        return stream;
      },
      close,
    };
  } catch (error) {
    await close();
    throw failed(error);
  }
}

/** Reads by positions, so that the stream does not care who else reads from the descriptor. */
function readPart(handle: FileHandle, { start, end }: ByteRange, failed: (error: unknown) => unknown): Readable {
  let position = start;
  const next = async (): Promise<Buffer | null> => {
    const most = Math.min(CHUNK_BYTES, end + 1 - position);
    if (most <= 0) return null;
    const { bytesRead, buffer } = await handle.read(Buffer.allocUnsafe(most), 0, most, position);
    position += bytesRead;
    return bytesRead === 0 ? null : buffer.subarray(0, bytesRead);
  };
  return new Readable({
    highWaterMark: CHUNK_BYTES,
    read() {
      next().then(
        (chunk) => this.push(chunk),
        (error: unknown) => this.destroy(failed(error) as Error),
      );
    },
  });
}
