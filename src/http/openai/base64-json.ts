import { Readable } from 'node:stream';
import type { FastifyReply } from 'fastify';
import type { OpenFile } from '../../core/ports/media-store.ts';

/** A part of a JSON text: as it stands, or the bytes of a file, which are written in base64. */
export type JsonPart = string | OpenFile;

/** Answers with the JSON text. Memory holds one chunk of one file at a time. */
export function sendParts(reply: FastifyReply, parts: readonly JsonPart[]): FastifyReply {
  return reply
    .type('application/json; charset=utf-8')
    .header('content-length', lengthOf(parts))
    .send(Readable.from(writeParts(parts), { objectMode: false }));
}

function lengthOf(parts: readonly JsonPart[]): number {
  return parts.reduce(
    (sum, part) => sum + (typeof part === 'string' ? Buffer.byteLength(part) : 4 * Math.ceil(part.bytes / 3)),
    0,
  );
}

/** The parts in order, files in pieces of some 300 KB, so that no piece holds the event loop up. Closes the files that were begun. */
export async function* writeParts(parts: readonly JsonPart[]): AsyncGenerator<string, void, undefined> {
  for (const part of parts) {
    if (typeof part === 'string') yield part;
    else yield* base64Of(part);
  }
}

async function* base64Of(file: OpenFile): AsyncGenerator<string, void, undefined> {
  try {
    // Three bytes make four characters: what is left of a chunk goes before the next.
    let left: Buffer = Buffer.alloc(0);
    for await (const chunk of file.stream() as AsyncIterable<Buffer>) {
      const bytes = left.length === 0 ? chunk : Buffer.concat([left, chunk]);
      const whole = bytes.length - (bytes.length % 3);
      if (whole > 0) yield bytes.toString('base64', 0, whole);
      left = bytes.subarray(whole);
    }
    if (left.length > 0) yield left.toString('base64');
  } finally {
    await file.close();
  }
}
