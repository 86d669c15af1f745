import { createHash } from 'node:crypto';
import type { Readable } from 'node:stream';
import { Busboy, type BusboyHeaders, type BusboyInstance } from '@fastify/busboy';
import type { ProblemSpec } from '../../api/problem.ts';
import type { BytesInHand } from '../../core/domain/bytes-in-hand.ts';
import { ProblemError } from './problem.ts';

/** Bounds of one body, in bytes of content but for `maxBytes`, which counts the whole body. */
export interface MultipartLimits {
  readonly maxParts: number;
  /** Of a part with a file name or a binary content type. */
  readonly maxFileBytes: number;
  /** Of any other part. */
  readonly maxTextBytes: number;
  readonly maxBytes: number;
}

const MIB = 1024 * 1024;

/** Bounds of bodies with pictures: as many files, and as large, as the OpenAI API takes, a mask, and the texts. */
export const UPLOAD_LIMITS: MultipartLimits = {
  maxParts: 100,
  maxFileBytes: 50 * MIB,
  maxTextBytes: MIB,
  maxBytes: 16 * 50 * MIB + 8 * MIB,
};

/** A part of a `multipart/form-data` body, as it came. */
export interface Part {
  readonly name: string;
  /** What the sender calls the file; null where the part has no file name. It is never a path of this machine. */
  readonly fileName: string | null;
  /** In lower case, without parameters; `text/plain` where the part has none. It says nothing about what the bytes are. */
  readonly contentType: string;
  /** True for a part with a file name or a binary content type, false for a field. */
  readonly isFile: boolean;
  readonly bytes: Buffer;
  /** Of `bytes`, in hex. */
  readonly sha256: string;
}

/** A body that was read to its end. Disposing of it gives back its room among the bytes in hand. */
export interface MultipartBody extends Disposable {
  /** In the order in which they came; names may repeat. */
  readonly parts: readonly Part[];
  /**
   * SHA-256, in hex, of names and contents: whatever the boundary, the file names, the content types and the order of the names. Parts
   * of the same name count in their order.
   */
  readonly digest: string;
}

/**
 * Reads a `multipart/form-data` body (RFC 7578) of a request with these headers into memory, within `limits` and within the room that
 * `inHand` has for all requests together.
 *
 * Raises `ProblemError`: `invalid_request` for a body without a boundary, one that is cut, too many parts, and a part that is no form data
 * or has no name; `payload_too_large`. Raises `ImageError` with `queue_full` where there is no room. What the client still sends is then
 * left unread, for `sendProblem` to drain.
 */
export async function readMultipart(
  body: Readable,
  headers: Readonly<Record<string, string | string[] | undefined>>,
  limits: MultipartLimits,
  inHand: BytesInHand,
): Promise<MultipartBody> {
  // Before a byte is read: a body that says its length is refused without being waited for.
  if (Number(headers['content-length'] ?? 0) > limits.maxBytes) throw bodyTooLarge(limits);
  const parser = createParser(headers, limits);
  const share = inHand.open();
  try {
    const parts = await collect(body, parser, limits, share.add);
    return {
      parts,
      digest: digestOf(parts),
      [Symbol.dispose]() {
        // What still refers to the body keeps no bytes in memory.
        parts.length = 0;
        share[Symbol.dispose]();
      },
    };
  } catch (error) {
    share[Symbol.dispose]();
    throw error;
  }
}

/** The text of a part; null where it is not valid UTF-8. */
export function textOf({ bytes }: Part): string | null {
  try {
    return utf8.decode(bytes);
  } catch {
    return null;
  }
}

const utf8 = new TextDecoder('utf-8', { fatal: true });

function createParser(
  headers: Readonly<Record<string, string | string[] | undefined>>,
  { maxParts }: MultipartLimits,
): BusboyInstance {
  try {
    return new Busboy({
      headers: headers as BusboyHeaders,
      limits: { parts: maxParts, headerSize: 16 * 1024 },
      preservePath: true,
      // Fields, too, come as bytes: the parser would replace what is not UTF-8.
      isPartAFile: () => true,
    });
  } catch {
    throw invalidBody(
      'has no boundary, or one that is too long: `Content-Type: multipart/form-data; boundary=…` names it',
    );
  }
}

/** A part whose content is still arriving. */
interface OpenPart extends Omit<Part, 'bytes' | 'sha256'> {
  readonly chunks: Buffer[];
  readonly hash: ReturnType<typeof createHash>;
  size: number;
}

/** The parts of the body, once it has ended. `onBytes` takes the number of bytes of each chunk, and raises where there is no room. */
async function collect(
  body: Readable,
  parser: BusboyInstance,
  limits: MultipartLimits,
  onBytes: (bytes: number) => void,
): Promise<Part[]> {
  const parts: (Part | null)[] = [];
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  /** Set once the body is refused: what the parser still brings is dropped. */
  let isOver = false;
  const fail = (error: unknown) => {
    isOver = true;
    reject(error);
  };

  const addChunk = (part: OpenPart, chunk: Buffer) => {
    if (isOver) return;
    part.size += chunk.length;
    const max = part.isFile ? limits.maxFileBytes : limits.maxTextBytes;
    if (part.size > max) return fail(partTooLarge(part.name, max));
    part.hash.update(chunk);
    part.chunks.push(chunk);
  };

  parser.on('file', (name: string | undefined, stream, fileName: string | undefined, _encoding, contentType) => {
    if (name === undefined)
      fail(invalidBody('has a part without a name; give each a `Content-Disposition` with `name`'));
    const isFile = fileName !== undefined || isBinary(contentType);
    const head = { name: name ?? '', fileName: fileName ?? null, contentType, isFile };
    const part: OpenPart = { ...head, chunks: [], hash: createHash('sha256'), size: 0 };
    const index = parts.push(null) - 1;
    stream.on('data', (chunk) => addChunk(part, chunk));
    stream.on('end', () => {
      if (isOver) return;
      parts[index] = { ...head, bytes: Buffer.concat(part.chunks), sha256: part.hash.digest('hex') };
      // The parser keeps the stream, and with it this closure, until the body has ended.
      part.chunks.length = 0;
    });
    // The parser itself reports that the body was cut.
    stream.on('error', () => {});
  });
  parser.on('partsLimit', () => fail(invalidBody(`has more than ${limits.maxParts} parts`)));
  parser.on('error', () => fail(invalidBody('ends before its last boundary, or its boundary is another one')));
  parser.on('finish', () => {
    if (parts.length < partsBegun(parser)) {
      fail(invalidBody('has a part without a `Content-Disposition: form-data; name="…"`; give each one'));
    }
    resolve();
  });

  let total = 0;
  const onData = (chunk: Buffer) => {
    total += chunk.length;
    if (total > limits.maxBytes) return fail(bodyTooLarge(limits));
    try {
      onBytes(chunk.length);
    } catch (error) {
      return fail(error);
    }
    parser.write(chunk);
  };
  const onEnd = () => parser.end();
  const onCut = () => {
    // The parser may still be busy with a body that has ended.
    if (!body.readableEnded) fail(invalidBody('was cut: the connection ended before it'));
  };
  body.on('data', onData).on('end', onEnd).on('error', onCut).on('close', onCut);
  try {
    await promise;
  } finally {
    body.off('data', onData).off('end', onEnd).off('error', onCut).off('close', onCut).pause();
  }
  return parts.filter((part) => part !== null);
}

/** How many parts have begun. The parser skips those that are no form data without an event; its own count has them. */
function partsBegun(parser: BusboyInstance): number {
  const { _parser: multipart } = parser as BusboyInstance & { readonly _parser?: { readonly _nparts?: number } };
  if (multipart?._nparts === undefined) throw new TypeError('the multipart parser does not count its parts');
  return multipart._nparts;
}

/** True for content types whose parts are files even without a file name. */
function isBinary(contentType: string): boolean {
  return contentType === 'application/octet-stream' || contentType.startsWith('image/');
}

function digestOf(parts: readonly Part[]): string {
  const byName = Map.groupBy(parts, ({ name }) => name);
  const contents = [...byName].map(
    ([name, same]) => [name, same.map(({ isFile, sha256 }) => [isFile, sha256])] as const,
  );
  contents.sort(([one], [other]) => (one < other ? -1 : 1));
  return createHash('sha256').update(JSON.stringify(contents)).digest('hex');
}

function invalidBody(what: string): ProblemError {
  return new ProblemError({ code: 'invalid_request', detail: `the body ${what}` });
}

function bodyTooLarge({ maxBytes }: MultipartLimits): ProblemError {
  return tooLarge(`the body must not be larger than ${describeMib(maxBytes)}`);
}

function partTooLarge(name: string, max: number): ProblemError {
  const errors = [{ path: name, message: `must not be larger than ${describeMib(max)}` }];
  return tooLarge(`a part must not be larger than ${describeMib(max)}`, errors);
}

function tooLarge(detail: string, errors?: ProblemSpec['errors']): ProblemError {
  return new ProblemError({ code: 'payload_too_large', detail, ...(errors && { errors }) });
}

function describeMib(bytes: number): string {
  return `${Math.floor((10 * bytes) / MIB) / 10} MiB`;
}
