import type { FastifyReply } from 'fastify';
import { ImageError } from '../../core/domain/errors.ts';
import type { MediaFile } from '../../core/domain/image.ts';
import type { PublishedPictures } from '../../core/images/published-file.ts';
import type { ByteRange, OpenFile } from '../../core/ports/media-store.ts';
import { createHotFiles } from './hot-files.ts';
import { createPooledReads } from './pooled-reads.ts';

/**
 * Answers a GET or HEAD with a file that was found, whole where `range` is null: status, `Accept-Ranges`, `Content-Length`,
 * `Content-Range` and the bytes. Raises `not_found` for a file that has been deleted or made again since.
 */
export type SendFile = (reply: FastifyReply, file: MediaFile, range: ByteRange | null) => Promise<FastifyReply>;

/** Sends popular files from up to `cacheBytes` of memory, others from the store through buffers that are used again. */
export function createFileSender(pictures: PublishedPictures, cacheBytes: number): SendFile {
  const hot = createHotFiles(pictures, cacheBytes);
  const readInto = createPooledReads();

  return async (reply, file, range) => {
    const kept = range === null ? await hot.bytesOf(file) : null;
    if (kept !== null) return reply.header('accept-ranges', 'bytes').send(kept);

    const opened = await pictures.open(file, range ?? undefined).catch((error: unknown) => {
      // Its text names a folder of this machine, which is for the log alone.
      throw new Error(`${file.name} cannot be read`, { cause: error });
    });
    if (opened === null) throw new ImageError('not_found', 'the picture was deleted just now');

    const { start, end } = range ?? { start: 0, end: file.bytes - 1 };
    const bytes = end - start + 1;
    reply.header('accept-ranges', 'bytes').header('content-length', bytes);
    if (range !== null) reply.code(206).header('content-range', `bytes ${start}-${end}/${file.bytes}`);
    const close = () => void opened.close();
    if (reply.request.method === 'HEAD') {
      close();
      return reply.send();
    }
    const { fd } = opened;
    return reply.send(fd === undefined ? streamOf(opened, close) : readInto({ fd, start, bytes, close }, reply.raw));
  };
}

/** The content as a stream that closes its file. */
function streamOf(opened: OpenFile, close: () => void) {
  return opened.stream().once('close', close);
}
