import { randomUUID } from 'node:crypto';
import { type Base64Decoder, createBase64Decoder } from './base64.ts';

/** A JSON body on its way to the parser, and the pictures that were taken out of it. */
export interface InlinePictures {
  /** The JSON, with a short reference in the place of each picture. */
  readonly body: AsyncIterable<Uint8Array>;
  /** The picture behind a reference; null for an unknown one, and where the text was not base64. */
  picture(reference: string): Buffer | null;
  /** The first picture that was read to its end; null where there is none. Tells what has arrived of a body that breaks off. */
  first(): Buffer | null;
}

/**
 * Decodes the `b64_json` strings of a JSON body while it streams. Read as text and parsed, a picture of 4 MB would be in memory five
 * times, three of them as text. Malformed JSON stays malformed.
 */
export function decodeInlinePictures(json: AsyncIterable<Uint8Array>, headers: Headers): InlinePictures {
  const pictures = new Map<string, Buffer | null>();
  return {
    body: decodeInto(pictures, json, expectedBytes(headers)),
    picture: (reference) => pictures.get(reference) ?? null,
    first: () => pictures.values().next().value ?? null,
  };
}

/** Most bytes that are allocated because of a `Content-Length` alone; a longer picture makes the buffer grow. */
const MAX_EXPECTED_BYTES = 16 * 1024 * 1024;

/** Upper bound of the picture's size in bytes, from the `Content-Length`; 0 where it is missing or counts compressed bytes. */
function expectedBytes(headers: Headers): number {
  const length = headers.has('content-encoding') ? 0 : Number(headers.get('content-length') ?? 0);
  return Math.min(Math.ceil((length * 3) / 4) || 0, MAX_EXPECTED_BYTES);
}

/** No API returns more pictures in one response. Later ones are not decoded. */
const MAX_PICTURES = 10;

const KEY = 'b64_json';
/** Length of the key written in escapes: `\uXXXX` for each of its eight characters. */
const MAX_KEY_LENGTH = 48;

const QUOTE = 0x22;
const BACKSLASH = 0x5c;
const COLON = 0x3a;
const WHITE_SPACE: ReadonlySet<number> = new Set([0x20, 0x09, 0x0a, 0x0d]);

async function* decodeInto(
  pictures: Map<string, Buffer | null>,
  json: AsyncIterable<Uint8Array>,
  expected: number,
): AsyncGenerator<Uint8Array, void, undefined> {
  const scan = createScanner(pictures, expected);
  for await (const chunk of json) yield* scan(chunk);
}

/**
 * Scans the JSON from string to string, without parsing the values between them. A string is a picture when it follows the
 * key and a colon. Every other byte passes through unchanged. Takes the chunks in their order, and gives what stands in their place.
 */
function createScanner(
  pictures: Map<string, Buffer | null>,
  expected: number,
): (bytes: Uint8Array) => readonly Uint8Array[] {
  let inString = false;
  /** True when the string so far ends in a backslash that escapes the next byte. */
  let escaped = false;
  /** The string so far, cut off once it is too long to be the key. */
  let text = '';
  /** The last string or other byte seen, white space apart. */
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
    // The expected size holds for the first picture: one picture is requested per call.
    const decoder = createBase64Decoder(pictures.size === 0 ? expected : 0);
    picture = { reference: randomUUID(), decoder };
  }

  function closeString(): void {
    inString = false;
    if (picture !== null) pictures.set(picture.reference, picture.decoder.end());
    last = picture === null && isKey(text) ? 'key' : 'other';
    picture = null;
  }

  return (bytes) => {
    const passed: Uint8Array[] = [];
    const chunk = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    /** Bytes of the chunk that were passed on or decoded. */
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
        passed.push(chunk.subarray(done, at + 1), Buffer.from(picture.reference));
        done = at + 1;
      } else if (!WHITE_SPACE.has(chunk[at] ?? 0)) {
        last = last === 'key' && chunk[at] === COLON ? 'colon' : 'other';
      }
    }
    if (done < chunk.length) passed.push(chunk.subarray(done));
    return passed;
  };
}

/** Length of the run of backslashes that ends before `at`, not looking before `start`. */
function backslashesBefore(chunk: Buffer, at: number, start: number): number {
  let first = at;
  while (first > start && chunk[first - 1] === BACKSLASH) first -= 1;
  return at - first;
}

/** True when this raw content of a JSON string, perhaps with escapes, is the key. */
function isKey(text: string): boolean {
  if (text.length > MAX_KEY_LENGTH || !text.includes('\\')) return text === KEY;
  try {
    return JSON.parse(`"${text}"`) === KEY;
  } catch {
    return false;
  }
}
