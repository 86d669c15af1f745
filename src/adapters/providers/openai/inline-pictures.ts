import { randomUUID } from 'node:crypto';
import { type Base64Decoder, createBase64Decoder, decodeBase64 } from './base64.ts';

/** The lifted pictures of an answer by their references; null for text that is not base64. They go when the answer goes. */
const DECODED_PICTURES = new WeakMap<Response, ReadonlyMap<string, Buffer | null>>();

/**
 * Takes the pictures out of a JSON answer while it is read: each string under a key `b64_json` is decoded as it comes, and
 * the reader gets a short reference in its place. Read as text and parsed, a picture of 4 MB would be in memory five
 * times over, three of them as text. Answers of failure, streams of events and all that is not said to be JSON stay as
 * they are, and JSON that is broken stays as broken as it was.
 */
export function decodeInlinePictures(answer: Response): Response {
  if (!answer.ok || answer.body === null || !isJson(answer.headers)) return answer;
  const pictures = new Map<string, Buffer | null>();
  const { status, statusText, headers } = answer;
  const body = answer.body.pipeThrough(decodeInto(pictures, expectedBytes(headers)));
  const rest = new Response(body, { status, statusText, headers });
  DECODED_PICTURES.set(rest, pictures);
  return rest;
}

/** The picture that stood under `b64_json` in this answer, which was lifted or is base64 still; null where it is not base64. */
export function inlinePicture(answer: Response, b64Json: string): Buffer | null {
  const decoded = DECODED_PICTURES.get(answer);
  return decoded === undefined ? decodeBase64(b64Json) : (decoded.get(b64Json) ?? null);
}

/** What the SDK, too, parses as JSON. */
function isJson(headers: Headers): boolean {
  const type = headers.get('content-type')?.split(';')[0]?.trim().toLowerCase() ?? '';
  return type.includes('application/json') || type.endsWith('+json');
}

/** A claim is no reason to set more aside than this; what is longer makes the buffer grow. */
const MAX_EXPECTED_BYTES = 16 * 1024 * 1024;

/** Bytes that the picture will have at most, as far as the headers tell. */
function expectedBytes(headers: Headers): number {
  const length = headers.has('content-encoding') ? 0 : Number(headers.get('content-length') ?? 0);
  return Math.min(Math.ceil((length * 3) / 4) || 0, MAX_EXPECTED_BYTES);
}

/** No API gives more at once; what comes after them is not lifted, and of no use. */
const MAX_PICTURES = 10;

const KEY = 'b64_json';
/** The key as long as it can be written: six characters for each of its eight. */
const MAX_KEY_LENGTH = 48;

const QUOTE = 0x22;
const BACKSLASH = 0x5c;
const COLON = 0x3a;
const WHITE_SPACE: ReadonlySet<number> = new Set([0x20, 0x09, 0x0a, 0x0d]);

/**
 * Walks through JSON from string to string. What lies between them matters only behind the key, where a colon and another
 * quote make the next string a picture.
 */
function decodeInto(pictures: Map<string, Buffer | null>, expected: number): TransformStream<Uint8Array, Uint8Array> {
  let inString = false;
  /** Whether the next byte belongs to an escape, whatever it is. */
  let escaped = false;
  let text = '';
  let last: 'key' | 'colon' | 'other' = 'other';
  let picture: { readonly reference: string; readonly decoder: Base64Decoder } | null = null;

  /** Index of the quote that ends the string, or the chunk's length. */
  function endOfString(chunk: Buffer, from: number): number {
    const start = escaped ? from + 1 : from;
    for (let at = start; ; at += 1) {
      const quote = chunk.indexOf(QUOTE, at);
      at = quote === -1 ? chunk.length : quote;
      escaped = backslashesBefore(chunk, at, start) % 2 === 1;
      if (quote === -1 || !escaped) return at;
    }
  }

  function openString(): void {
    inString = true;
    text = '';
    if (last !== 'colon' || pictures.size === MAX_PICTURES) return;
    // The first picture is the one that the length promises; there should be no other.
    const decoder = createBase64Decoder(pictures.size === 0 ? expected : 0);
    picture = { reference: randomUUID(), decoder };
  }

  function closeString(): void {
    inString = false;
    if (picture !== null) pictures.set(picture.reference, picture.decoder.end());
    last = picture === null && isKey(text) ? 'key' : 'other';
    picture = null;
  }

  return new TransformStream<Uint8Array, Uint8Array>({
    transform(bytes, controller) {
      const chunk = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
      /** What lies before has been handed on, or lifted. */
      let done = 0;
      for (let at = 0; at < chunk.length; at += 1) {
        if (inString) {
          const end = endOfString(chunk, at);
          if (picture !== null) {
            picture.decoder.push(chunk.toString('latin1', at, end));
            done = end;
          } else if (text.length <= MAX_KEY_LENGTH) {
            text += chunk.toString('latin1', at, Math.min(end, at + MAX_KEY_LENGTH + 1));
          }
          if (end < chunk.length) closeString();
          at = end;
        } else if (chunk[at] === QUOTE) {
          openString();
          if (picture === null) continue;
          controller.enqueue(chunk.subarray(done, at + 1));
          controller.enqueue(Buffer.from(picture.reference));
          done = at + 1;
        } else if (!WHITE_SPACE.has(chunk[at] ?? 0)) {
          last = last === 'key' && chunk[at] === COLON ? 'colon' : 'other';
        }
      }
      if (done < chunk.length) controller.enqueue(chunk.subarray(done));
    },
  });
}

function backslashesBefore(chunk: Buffer, at: number, start: number): number {
  let first = at;
  while (first > start && chunk[first - 1] === BACKSLASH) first -= 1;
  return at - first;
}

/** Whether a JSON string that is written like this is the key; it may be written in escapes. */
function isKey(text: string): boolean {
  if (text.length > MAX_KEY_LENGTH || !text.includes('\\')) return text === KEY;
  try {
    return JSON.parse(`"${text}"`) === KEY;
  } catch {
    return false;
  }
}
