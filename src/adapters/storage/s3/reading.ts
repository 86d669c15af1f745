import { Readable } from 'node:stream';
import { GetObjectCommand, HeadObjectCommand, type S3Client } from '@aws-sdk/client-s3';
import type { ByteRange, OpenFile } from '../../../core/ports/media-store.ts';
import type { CallOptions } from './client.ts';
import { BROKEN_ANSWER, isMissing, statusOf } from './faults.ts';

interface ReadingOptions {
  readonly client: S3Client;
  readonly bucket: string;
  /** Milliseconds between two chunks that are waited for, after which the answer counts as broken off. */
  readonly chunkMs: number;
  /** Maps an error to the one that is raised. */
  readonly toImageError: (error: unknown) => unknown;
}

/** Size and version of an object. */
export interface ObjectHead {
  readonly bytes: number;
  readonly etag: string | undefined;
}

/** Most bytes of an unread answer that are read to keep the connection, instead of ending it. */
const DRAINED_BYTES = 64 * 1024;

/**
 * The object as the port's `OpenFile`, with one request: its answer says the size of the whole and brings the bytes of one version, so
 * that no version is mixed with another. Null where there is none.
 */
export async function openObject(
  { client, bucket, chunkMs, toImageError }: ReadingOptions,
  key: string,
  range?: ByteRange,
): Promise<OpenFile | null> {
  const place = { Bucket: bucket, Key: key };
  const answer = await client
    .send(new GetObjectCommand({ ...place, ...(range && { Range: `bytes=${range.start}-${range.end}` }) }))
    .catch(async (error: unknown) => {
      if (isMissing(error)) return null;
      // Nothing of the object is in the range.
      if (statusOf(error) === 416) return headOf(client, bucket, key);
      throw error;
    });
  if (answer === null) return null;
  if ('bytes' in answer) {
    const nothing = Readable.from([], { objectMode: false });
    return { bytes: answer.bytes, stream: () => nothing, close: async () => void nothing.destroy() };
  }

  const body = answer.Body as unknown as Readable;
  // The stream raises it to those who read; where it is not read, it must not end the process.
  body.on('error', () => undefined);
  const length = answer.ContentLength ?? 0;
  const bytes = Number(/\/(\d+)$/.exec(answer.ContentRange ?? '')?.[1] ?? length);
  let stream: Readable | null = null;
  return {
    bytes,
    stream() {
      stream = Readable.from(chunksOf(body, length, chunkMs, toImageError), { objectMode: false });
      return stream;
    },
    async close() {
      stream?.destroy();
      if (stream === null && length <= DRAINED_BYTES) body.resume();
      else if (!body.readableEnded) body.destroy();
    },
  };
}

/** The whole object in one buffer of its size; null where there is none. */
export async function readObject(options: ReadingOptions, key: string): Promise<Uint8Array | null> {
  const opened = await openObject(options, key);
  if (opened === null) return null;
  try {
    // Of its own, as it may be kept for long.
    const content = Buffer.allocUnsafeSlow(opened.bytes);
    let filled = 0;
    for await (const chunk of opened.stream() as AsyncIterable<Buffer>) {
      chunk.copy(content, filled);
      filled += chunk.length;
    }
    return content;
  } finally {
    await opened.close();
  }
}

/** Size and version of an object; null where there is none. */
export async function headOf(
  client: S3Client,
  bucket: string,
  key: string,
  call?: CallOptions,
): Promise<ObjectHead | null> {
  const head = await client.send(new HeadObjectCommand({ Bucket: bucket, Key: key }), call).catch((error: unknown) => {
    if (isMissing(error)) return null;
    throw error;
  });
  return head && { bytes: head.ContentLength ?? 0, etag: head.ETag };
}

/** The answer's chunks: exactly `length` bytes, or an error. The wait for a chunk is bounded, the reader's own pauses are not. */
async function* chunksOf(
  body: Readable,
  length: number,
  chunkMs: number,
  toImageError: (error: unknown) => unknown,
): AsyncGenerator<Buffer> {
  const chunks: AsyncIterator<Buffer> = body[Symbol.asyncIterator]();
  let received = 0;
  try {
    for (;;) {
      const timer = setTimeout(() => body.destroy(brokenOff(`nothing came for ${chunkMs} ms`)), chunkMs);
      const { done, value } = await chunks.next().finally(() => clearTimeout(timer));
      if (done) break;
      received += value.length;
      yield value;
    }
    if (received !== length) throw brokenOff(`${received} of ${length} bytes came`);
  } catch (error) {
    // Whatever a socket or a parser raises in the middle of an answer: the answer is lost.
    throw toImageError(
      error instanceof Error && error.name !== BROKEN_ANSWER ? brokenOff(error.message, error) : error,
    );
  } finally {
    if (!body.readableEnded) body.destroy();
  }
}

function brokenOff(reason: string, cause?: Error): Error {
  return Object.assign(new Error(reason, { cause }), { name: BROKEN_ANSWER });
}
