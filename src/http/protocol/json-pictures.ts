import { createHash } from 'node:crypto';
import { setImmediate as nextTurn } from 'node:timers/promises';
import type { FastifyContextConfig, FastifyInstance, FastifyRequest } from 'fastify';
import type { BytesInHand } from '../../core/domain/bytes-in-hand.ts';
import { ProblemError } from './problem.ts';

declare module 'fastify' {
  interface FastifyContextConfig {
    /** The key under which JSON bodies have data URLs: their base64 is taken out before they are parsed; see `takeJsonPictures`. */
    picturesInJson?: 'image_url' | 'data';
  }
}

/** Most bytes of a JSON body without its pictures, 1 MiB: what is parsed at once, on the thread of all requests. */
const MAX_JSON_BYTES = 1024 * 1024;

/**
 * Most characters that a text under `data` has without being taken for a picture: metadata may have a pair of this name, and comes back as
 * it came.
 */
const MAX_METADATA_CHARACTERS = 2048;

/** Pictures of a JSON body. Disposing of them gives back their room among the bytes in hand. */
export interface JsonPictures extends Disposable {
  /** The bytes behind the reference that stands in the place of a data URL. */
  readonly pictures: ReadonlyMap<string, Buffer>;
}

/** The bodies of requests whose handler has not taken them. */
const bodies = new WeakMap<FastifyRequest, HeldBody>();

interface HeldBody {
  readonly key: NonNullable<FastifyContextConfig['picturesInJson']>;
  readonly pictures: Map<string, Buffer>;
  readonly share: Disposable;
}

/**
 * Counts JSON bodies with pictures among the bytes in hand, from their first byte until the handler is done with them. Beyond its room a
 * request is refused with `queue_full`.
 */
export function countJsonPictures(app: FastifyInstance, inHand: BytesInHand): void {
  app.addHook('preParsing', (request, reply, payload, done) => {
    const { config, bodyLimit } = request.routeOptions;
    const isForm = /^multipart\//i.test(request.headers['content-type'] ?? '');
    if (!config.picturesInJson || isForm) return done(null, payload);
    const share = inHand.open();
    try {
      const length = Number(request.headers['content-length'] ?? Math.min(bodyLimit, inHand.limit));
      share.add(Math.min(length, bodyLimit));
    } catch (error) {
      return done(error as Error);
    }
    bodies.set(request, { key: config.picturesInJson, pictures: new Map(), share });
    reply.raw.once('close', () => takeJsonPictures(request)?.[Symbol.dispose]());
    done(null, payload);
  });
}

/**
 * The JSON of a body with a short reference in the place of each picture, for routes that take pictures in JSON; of other routes, the body
 * itself. Parsing and hashing a picture of 20 MB as text would hold up every other request for 150 ms.
 */
export async function withoutPictures(request: FastifyRequest, json: Buffer): Promise<Buffer> {
  const body = bodies.get(request);
  if (body === undefined) return json;
  const shortest = body.key === 'data' ? MAX_METADATA_CHARACTERS : 0;
  const rest = await liftDataUrls(json, body.key, body.pictures, shortest);
  if (rest.length > MAX_JSON_BYTES) {
    const detail = 'the body without its base64 data URLs must not be larger than 1 MiB';
    throw new ProblemError({ code: 'payload_too_large', detail });
  }
  return rest;
}

/** The pictures of a JSON body, to look at; null for another body, and for one that was taken. */
export function heldJsonPictures(request: FastifyRequest): ReadonlyMap<string, Buffer> | null {
  return bodies.get(request)?.pictures ?? null;
}

/** The pictures of a JSON body, for its handler, which has to dispose of them as soon as their bytes are stored; null as above. */
export function takeJsonPictures(request: FastifyRequest): JsonPictures | null {
  const body = bodies.get(request);
  bodies.delete(request);
  if (body === undefined) return null;
  return {
    pictures: body.pictures,
    [Symbol.dispose]() {
      body.pictures.clear();
      body.share[Symbol.dispose]();
    },
  };
}

const QUOTE = 0x22;
const BACKSLASH = 0x5c;
/** More than the head of any data URL has, or the key before one with white space. */
const MAX_HEAD_BYTES = 256;
/** Most strings that are looked at, each of which takes a moment: more than there are pictures in any body. */
const MAX_TRIES = 100;
/** Characters that are decoded at once: less than 1 ms. */
const PIECE = 256 * 1024;

/**
 * The JSON with `picture:<sha256>` in the place of each base64 data URL that is the value of this key; `pictures` gets the bytes
 * by these references. Equal pictures have the same reference, whatever the writing of their base64. Malformed JSON stays malformed,
 * since only what is between two quotes is replaced. A data URL of at most `shortest` characters stays.
 */
export async function liftDataUrls(
  json: Buffer,
  key: string,
  pictures: Map<string, Buffer>,
  shortest = 0,
): Promise<Buffer> {
  const beforeText = new RegExp(`(?:^|[^\\\\])"${key}"\\s*:\\s*$`);
  const kept: Buffer[] = [];
  let done = 0;
  let tries = 0;
  for (let at = json.indexOf('"data:'); at !== -1 && tries < MAX_TRIES; at = json.indexOf('"data:', at + 1)) {
    tries += 1;
    const comma = commaOfHead(json, at, beforeText);
    const end = comma === -1 ? -1 : json.indexOf(QUOTE, comma);
    // An escaped quote does not end the text, which then is no base64.
    if (end === -1 || json[end - 1] === BACKSLASH || end - at - 1 <= shortest) continue;
    const picture = await decode(json.subarray(comma + 1, end));
    const reference = `picture:${picture.sha256}`;
    pictures.set(reference, picture.bytes);
    kept.push(json.subarray(done, at + 1), Buffer.from(reference));
    done = end;
    at = end;
  }
  return done === 0 ? json : Buffer.concat([...kept, json.subarray(done)]);
}

/** Index of the comma that ends the head of the base64 data URL whose quote is at `quote`; -1 where there is none to take out. */
function commaOfHead(json: Buffer, quote: number, beforeText: RegExp): number {
  const before = json.toString('latin1', Math.max(0, quote - MAX_HEAD_BYTES), quote);
  // The quote of the key is no escaped one, and so the key no part of a text.
  if (!beforeText.test(before)) return -1;
  const head = json.toString('latin1', quote + 1, quote + MAX_HEAD_BYTES);
  const match = /^data:[^",]*;\s*base64,/i.exec(head);
  return match === null ? -1 : quote + match[0].length;
}

/**
 * The bytes of base64, in either alphabet, in pieces between which other requests have their turn. What is no digit is left
 * out, such as the escape of a slash, which some clients write.
 */
async function decode(base64: Buffer): Promise<{ readonly bytes: Buffer; readonly sha256: string }> {
  const hash = createHash('sha256');
  const bytes = Buffer.allocUnsafeSlow(Math.ceil((base64.length * 3) / 4));
  let length = 0;
  let left = '';
  for (let at = 0; at < base64.length; at += PIECE) {
    const digits = left + base64.toString('latin1', at, at + PIECE).replace(/[^A-Za-z0-9+/_-]+/g, '');
    const isLast = at + PIECE >= base64.length;
    const whole = isLast ? digits.length : digits.length - (digits.length % 4);
    left = digits.slice(whole);
    const written = bytes.write(digits.slice(0, whole), length, 'base64');
    hash.update(bytes.subarray(length, length + written));
    length += written;
    if (!isLast) await nextTurn();
  }
  return { bytes: bytes.subarray(0, length), sha256: hash.digest('hex') };
}
