import type { FileHandle } from 'node:fs/promises';
import { Readable } from 'node:stream';
import type { ByteRange, OpenFile } from '../../core/ports/media-store.ts';

/**
 * The handle as the port's `OpenFile`, which owns it from now on: `close` closes it, and so does a failure to read its size.
 * `toImageError` maps errors of the file system to the error that is raised.
 */
export async function openFile(
  handle: FileHandle,
  range: ByteRange | undefined,
  toImageError: (error: unknown) => unknown,
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
        stream = readRange(handle, part, toImageError);
        return stream;
      },
      close,
    };
  } catch (error) {
    await close();
    throw toImageError(error);
  }
}

/** Bytes of one read. */
const CHUNK_BYTES = 256 * 1024;

/** Reads at explicit positions (pread), so that other readers of the same descriptor do not move this stream. */
function readRange(handle: FileHandle, { start, end }: ByteRange, toImageError: (error: unknown) => unknown): Readable {
  let position = start;
  const next = async (): Promise<Buffer | null> => {
    const length = Math.min(CHUNK_BYTES, end + 1 - position);
    if (length <= 0) return null;
    const { bytesRead, buffer } = await handle.read(Buffer.allocUnsafe(length), 0, length, position);
    position += bytesRead;
    return bytesRead === 0 ? null : buffer.subarray(0, bytesRead);
  };
  return new Readable({
    highWaterMark: CHUNK_BYTES,
    read() {
      next().then(
        (chunk) => this.push(chunk),
        (error: unknown) => this.destroy(toImageError(error) as Error),
      );
    },
  });
}
