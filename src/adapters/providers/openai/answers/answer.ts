import type { TokenUsage } from '../../../../core/domain/money.ts';
import { keepOutsideLines, type MaskSecrets } from '../../../../core/domain/text/outside-text.ts';
import { recogniseBody } from './answer-kind.ts';
import { decodeBase64 } from './base64.ts';
import { AnswerError, errorIn } from './error-body.ts';
import { decodeInlinePictures } from './inline-pictures.ts';
import { given, readUsage } from './response.ts';
import { classifyEvent, type OnPartial, readEventStream } from './stream.ts';

/** The picture of a successful response. */
export interface AnsweredPicture {
  /** Its bytes, or its absolute http or https URL. */
  readonly picture: Uint8Array | URL;
  readonly revisedPrompt: string | null;
  readonly usage: TokenUsage | null;
}

interface ReadOptions {
  /** Relative URLs are resolved against it. */
  readonly baseURL: string;
  readonly maskSecrets: MaskSecrets;
  readonly onPartial: (bytes: Uint8Array, index: number) => void;
}

/** A successful response. */
interface Answer {
  readonly headers: Headers;
  readonly body: AsyncIterable<Uint8Array> | null;
}

/**
 * Reads a successful response as what its bytes are, whatever its content type: JSON, JSON in lines (NDJSON), an event stream, or the
 * picture itself. Null where it holds no picture. Raises `AnswerError` where it reports an error instead, `SyntaxError` for JSON that
 * is malformed, and the error of the connection where that breaks before the picture is whole.
 */
export async function readAnswer(answer: Answer, options: ReadOptions): Promise<AnsweredPicture | null> {
  const { headers } = answer;
  if (answer.body === null) return null;
  const { kind, body, end } = await recogniseBody(answer.body, headers.get('content-type'));
  switch (kind) {
    case 'picture':
      return { picture: await collect(body), revisedPrompt: null, usage: null };
    case 'events':
      return pictureIn(await readEventStream(body, decoded(options.onPartial)), decodeBase64, options);
    case 'json':
      return await readJson(body, headers, options);
    default:
      await end();
      return null;
  }
}

async function readJson(
  json: AsyncIterable<Uint8Array>,
  headers: Headers,
  options: ReadOptions,
): Promise<AnsweredPicture | null> {
  const { body, picture, first } = decodeInlinePictures(json, headers);
  const chunks: Uint8Array[] = [];
  try {
    for await (const chunk of body) chunks.push(chunk);
    const value = parse(Buffer.concat(chunks).toString());
    const found = pictureIn(value, picture, options);
    const error = found === null ? errorIn(value) : null;
    if (error !== null) throw new AnswerError(error, false);
    return found;
  } catch (error) {
    // What follows the picture may be lost, the picture is not: it was read to its end. A partial one says so before.
    const whole = Buffer.concat(chunks).includes('partial_image') ? null : first();
    if (error instanceof AnswerError || whole === null || whole.length === 0) throw error;
    return { picture: whole, revisedPrompt: null, usage: null };
  }
}

/** The value of a JSON text, or the final one of several that stand in a line each. */
function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (error) {
    const values = text.split('\n').map(parseLine);
    for (const value of values) {
      const event = classifyEvent(value, null);
      if (event.kind === 'error') throw new AnswerError(event.error, true);
      if (event.kind === 'final') return event.value;
    }
    if (values.filter((value) => value !== undefined).length < 2) throw error;
    return null;
  }
}

function parseLine(line: string): unknown {
  try {
    const value: unknown = JSON.parse(line);
    return typeof value === 'object' && value !== null ? value : undefined;
  } catch {
    return undefined;
  }
}

/**
 * The first picture of an answer: of its list `data`, else of the value itself, as in the last event of a stream. Checks every type,
 * since compatible servers send all kinds of bodies. An empty field is not given: the picture is taken from the next one.
 */
function pictureIn(
  value: unknown,
  decode: (base64: string) => Uint8Array | null,
  { baseURL, maskSecrets }: ReadOptions,
): AnsweredPicture | null {
  if (typeof value !== 'object' || value === null) return null;
  const { data } = value as { data?: unknown };
  for (const entry of [data, value].flat()) {
    if (typeof entry !== 'object' || entry === null) continue;
    const { b64_json, url, revised_prompt } = entry as Record<string, unknown>;
    const picture = decodeGiven(b64_json, decode) ?? locate(given(url), baseURL);
    if (picture === null) continue;
    const revised = given(revised_prompt);
    return {
      picture,
      revisedPrompt: revised === null ? null : keepOutsideLines(revised, MAX_REVISED_PROMPT, maskSecrets),
      usage: readUsage(value),
    };
  }
  return null;
}

function decodeGiven(b64Json: unknown, decode: (base64: string) => Uint8Array | null): Uint8Array | null {
  const base64 = given(b64Json);
  const bytes = base64 === null ? null : decode(base64);
  return bytes === null || bytes.length === 0 ? null : bytes;
}

/** As long as the longest prompt that a model takes, in characters. */
const MAX_REVISED_PROMPT = 32_000;

/** Longer than any signed URL. An address is kept in the record, which a faulty server must not fill. */
const MAX_URL_LENGTH = 32 * 1024;

/** The bytes that a `data:` URL holds, or the absolute URL; null for one that is neither that nor http or https. */
function locate(text: string | null, baseURL: string): Uint8Array | URL | null {
  const url = text === null ? null : URL.parse(text, baseURL.endsWith('/') ? baseURL : `${baseURL}/`);
  if (url === null) return null;
  if (url.protocol === 'data:') return decodeDataUrl(url.href);
  return /^https?:$/.test(url.protocol) && url.href.length <= MAX_URL_LENGTH ? url : null;
}

/** Null where it is malformed or holds nothing. RFC 2397. */
function decodeDataUrl(href: string): Uint8Array | null {
  const comma = href.indexOf(',');
  const content = href
    .slice(comma + 1)
    .replaceAll(/%([0-9a-f]{2})/gi, (_, hex: string) => String.fromCharCode(Number.parseInt(hex, 16)));
  if (/;\s*base64\s*$/i.test(href.slice(0, comma))) return decodeGiven(content, decodeBase64);
  return content === '' ? null : Buffer.from(content, 'latin1');
}

function decoded(onPartial: ReadOptions['onPartial']): OnPartial {
  return (base64, index) => {
    const bytes = decodeBase64(base64);
    if (bytes !== null) onPartial(bytes, index);
  };
}

async function collect(body: AsyncIterable<Uint8Array>): Promise<Buffer> {
  const chunks: Uint8Array[] = [];
  for await (const chunk of body) chunks.push(chunk);
  return Buffer.concat(chunks);
}
