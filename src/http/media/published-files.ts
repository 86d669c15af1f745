import type { FastifyReply } from 'fastify';
import type { MediaFile } from '../../core/domain/image.ts';
import type { PublishedPictures } from '../../core/images/published-file.ts';
import type { ByteRange, OpenFile } from '../../core/ports/media-store.ts';
import { ProblemError } from '../protocol/problem.ts';
import type { HotFiles } from './hot-files.ts';
import { createPooledReads } from './pooled-reads.ts';
import type { RepeatedAnswers } from './repeated-answers.ts';

/**
 * Answers a GET or HEAD with a published file, the whole of it where `range` is null. Sets the status, `Accept-Ranges`,
 * `Content-Length` and `Content-Range`. Raises `not_found` when the file is missing, or was deleted or replaced since it was
 * found; where it or its record cannot be read, it raises the error of `PublishedPictures`.
 */
type SendFile = (reply: FastifyReply, file: MediaFile, range: ByteRange | null) => Promise<FastifyReply>;

const FIRST_BYTE: ByteRange = { start: 0, end: 0 };

/** Sends popular files from the memory cache, other files from the store through pooled buffers. */
export function createFileSender(
  pictures: PublishedPictures,
  hot: Pick<HotFiles, 'bytesOf'>,
  repeated: Pick<RepeatedAnswers, 'keep'> | null,
): SendFile {
  const readInto = createPooledReads();

  return async (reply, file, range) => {
    const cached = range === null ? await hot.bytesOf(file) : null;
    if (cached !== null) {
      reply.header('accept-ranges', 'bytes').header('content-length', cached.length);
      repeated?.keep(reply.request, reply, file, 200);
      return reply.send(cached);
    }

    const isHead = reply.request.method === 'HEAD';
    // A store elsewhere would begin to send what is not wanted.
    const opened = await pictures.open(file, isHead ? FIRST_BYTE : (range ?? undefined));
    if (opened === null) {
      throw new ProblemError({
        code: 'not_found',
        detail: 'the file of this picture is missing or was just replaced',
      });
    }

    const { start, end } = range ?? { start: 0, end: file.bytes - 1 };
    const bytes = end - start + 1;
    reply.header('accept-ranges', 'bytes').header('content-length', bytes);
    if (range !== null) reply.code(206).header('content-range', `bytes ${start}-${end}/${file.bytes}`);
    const close = () => void opened.close();
    if (isHead) {
      close();
      return reply.send();
    }
    const { fd } = opened;
    return reply.send(fd === undefined ? streamOf(opened, close) : readInto({ fd, start, bytes, close }, reply.raw));
  };
}

/** The content as a stream that closes the file when it ends or is destroyed. */
function streamOf(opened: OpenFile, close: () => void) {
  return opened.stream().once('close', close);
}
