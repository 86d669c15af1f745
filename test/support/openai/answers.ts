/**
 * The behaviours of the stand-in OpenAI server; see `server.ts` for how to script them.
 *
 * Most functions take the members of `Delivery` among their options, so that an answer can be sent late, in small pieces, in
 * part or never: `picture({ beforeHeaders: gate })`, `openAiError('server_error', { cut: { after: 'headers', by: 'reset' } })`.
 */

import { gzipSync } from 'node:zlib';
import type { Answer, Cut, Delivery } from '../network/http-delivery.ts';
import { blankPicture, hugePng, type PictureFormat, texturedPicture, truncated } from '../pictures.ts';
import type { Call } from './call.ts';
import {
  OPENAI_ERRORS,
  type OpenAiErrorName,
  parseSize,
  type Refusal,
  type Usage,
  usageOf,
  type WantedPicture,
} from './dialect.ts';

/** One way to answer a call. */
export interface Behaviour {
  /** How it appears in the log. */
  readonly name: string;
  readonly delivery: Delivery;
  answer(call: Call, site: Site): Answer | Promise<Answer>;
}

/** What an answer may need from the server that sends it. */
export interface Site {
  /** Seconds since 1970. */
  readonly now: number;
  /** What the call asks for, with the API's defaults. */
  readonly wanted: WantedPicture;
  /** Publishes a file: the server answers each GET request of the returned URL with the behaviour that `next` gives. */
  serve(extension: string, next: () => Behaviour): string;
}

interface HeaderOptions extends Delivery {
  readonly headers?: Readonly<Record<string, string>>;
}

// ---------------------------------------------------------------- pictures

export interface PictureOptions extends HeaderOptions {
  /**
   * - `textured`: a sound picture, the same for the same prompt and size;
   * - `blank`: one colour; `truncated`: its last 40% missing; `text`: no picture at all; `huge`: a png of 12000x12000;
   * - bytes, or a function that makes them.
   */
  readonly content?:
    | 'textured'
    | 'blank'
    | 'truncated'
    | 'text'
    | 'huge'
    | Uint8Array
    | ((wanted: WantedPicture) => Uint8Array | Promise<Uint8Array>);
  /** Paints this size instead of the requested one, and reports it in the answer. */
  readonly size?: `${number}x${number}`;
  /** Encodes in this format instead of the requested one, and reports it in the answer. */
  readonly format?: PictureFormat;
  /**
   * How the answer gives the picture; as the call asks by default.
   * - `b64_json`; `url`: a URL on this server; `path`: that URL without scheme and host; `data_url`: a URL that holds the picture;
   * - `lines`: as base64, in the last of several lines of JSON; `body`: the body is the picture itself. Neither streams.
   */
  readonly as?: 'b64_json' | 'url' | 'path' | 'data_url' | 'lines' | 'body';
  /** Answers with exactly this URL. */
  readonly url?: string;
  /** How this server answers a GET of the picture's URL; the picture by default. A function is asked at each GET. */
  readonly file?: Behaviour | (() => Behaviour);
  /** How it answers the first GETs of that URL, before it answers as above. */
  readonly fileFirst?: readonly Behaviour[];
  /** Null leaves it out; by default it follows from prompt, quality and size. */
  readonly usage?: Usage | Readonly<Record<string, unknown>> | null;
  readonly revisedPrompt?: string;
  /** Streaming only: how many partial pictures are sent; as many as requested by default. */
  readonly partials?: number;
  /** Streaming only: ends with this error event in place of the finished picture. */
  readonly streamError?: OpenAiErrorName;
}

/** A successful answer, in JSON or as a stream, as the call requests; the options make the picture wrong in some way. */
export function picture(options: PictureOptions = {}): Behaviour {
  return {
    name: typeof options.content === 'string' ? `${options.content} picture` : 'picture',
    delivery: options,
    async answer(call, site) {
      const wanted = {
        ...site.wanted,
        ...(options.size && parseSize(options.size)),
        ...(options.format && { format: options.format }),
      };
      const details = {
        size: `${wanted.width}x${wanted.height}`,
        quality: wanted.quality,
        background: wanted.transparent ? 'transparent' : 'opaque',
        output_format: wanted.format,
      };
      const pictures = await Promise.all(
        Array.from({ length: wanted.count }, (_, index) => paint(wanted, index, options.content)),
      );
      const usage = options.usage === undefined ? usageOf(wanted, imagesIn(call)) : options.usage;

      const as = options.as ?? wanted.as;
      const [first] = pictures;
      if (as === 'body' && first !== undefined) {
        return { status: 200, headers: { 'content-type': `image/${wanted.format}`, ...options.headers }, body: first };
      }
      if (wanted.stream && as !== 'lines') {
        const events = streamEvents(wanted, pictures, { ...details, created_at: site.now }, usage, options);
        return { status: 200, headers: { 'content-type': 'text/event-stream', ...options.headers }, body: events };
      }
      const value = {
        created: site.now,
        data: pictures.map((bytes) => ({
          ...given(bytes, wanted.format),
          ...(options.revisedPrompt !== undefined && { revised_prompt: options.revisedPrompt }),
        })),
        ...details,
        ...(usage && { usage }),
      };
      if (as !== 'lines') return jsonAnswer(200, value, options.headers);
      const body = `{"status":"queued"}\n{"status":"running"}\n${JSON.stringify(value)}\n`;
      return { status: 200, headers: { 'content-type': 'application/x-ndjson', ...options.headers }, body };

      function given(bytes: Buffer, format: PictureFormat) {
        if (options.url !== undefined) return { url: options.url };
        const base64 = bytes.toString('base64');
        if (as === 'data_url') return { url: `data:image/${format};base64,${base64}` };
        if (as === 'b64_json' || as === 'lines') return { b64_json: base64 };
        const url = site.serve(format, fileOf(bytes, format, options));
        return { url: as === 'path' ? new URL(url).pathname : url };
      }
    },
  };
}

/** Bodies of a 200 that hold no picture. */
const BROKEN_BODIES = {
  'empty data': '{"created":1790000000,"data":[]}',
  'no data': '{"created":1790000000}',
  'null data': '{"created":1790000000,"data":null}',
  'missing base64': '{"created":1790000000,"data":[{}]}',
  'null base64': '{"created":1790000000,"data":[{"b64_json":null}]}',
  'empty base64': '{"created":1790000000,"data":[{"b64_json":""}]}',
  'broken base64': '{"created":1790000000,"data":[{"b64_json":"%%% this is not base64 %%%"}]}',
  'number as base64': '{"created":1790000000,"data":[{"b64_json":42}]}',
  'other JSON': '{"status":"ok","images":["https://example.com/1.png"]}',
  'JSON null': 'null',
  'JSON list': '[]',
  'cut JSON': '{"created":1790000000,"data":[{"b64_json":"iVBORw0KGgo',
  'plain text': 'OK',
  'no body': '',
} as const;

export type BrokenAnswer = keyof typeof BROKEN_BODIES;

/** Names of all broken answers, for table tests. */
export const BROKEN_ANSWERS = Object.keys(BROKEN_BODIES) as readonly BrokenAnswer[];

/** A 200 with content type JSON and no picture. */
export function brokenAnswer(kind: BrokenAnswer, delivery: Delivery = {}): Behaviour {
  return answer({ name: kind, body: BROKEN_BODIES[kind], type: 'application/json', ...delivery });
}

// ------------------------------------------------------------------ errors

interface ErrorOptions extends HeaderOptions {
  readonly status?: number;
  readonly code?: string | null;
  readonly type?: string;
  readonly message?: string;
  readonly param?: string | null;
}

/** An error in OpenAI's shape; any part of it can be replaced. */
export function openAiError(name: OpenAiErrorName, options: ErrorOptions = {}): Behaviour {
  const { status, code, type, message, param }: Refusal = { ...OPENAI_ERRORS[name], ...errorParts(options) };
  return answer({ ...options, name, status, json: { error: { message, type, param, code } } });
}

const AZURE_ERRORS = {
  contentFilter: {
    status: 400,
    error: {
      code: 'content_policy_violation',
      type: 'invalid_request_error',
      message: 'This request has been blocked by our content filters.',
      inner_error: {
        code: 'ResponsibleAIPolicyViolation',
        content_filter_results: { violence: { filtered: true, severity: 'high' } },
      },
    },
  },
  accessDenied: {
    status: 401,
    error: {
      code: '401',
      message: 'Access denied due to invalid subscription key or wrong API endpoint.',
    },
  },
  /** The whole account is blocked, in wording that resembles a refused prompt (pollinations#12446). */
  resourceBlocked: {
    status: 403,
    error: {
      code: 'Forbidden',
      message:
        'Your resource has been temporarily blocked because we detected behavior that may violate our content policy.',
    },
  },
  deploymentNotFound: {
    status: 404,
    error: { code: 'DeploymentNotFound', message: 'The API deployment for this resource does not exist.' },
  },
  tooManyRequests: {
    status: 429,
    error: { code: '429', message: 'Requests have exceeded the call rate limit. Please retry after 12 seconds.' },
  },
  internalError: {
    status: 500,
    error: { code: 'InternalServerError', message: 'Backend returned unexpected response.' },
  },
} as const;

/** An error in Azure's shape. */
export function azureError(name: keyof typeof AZURE_ERRORS, options: HeaderOptions = {}): Behaviour {
  const { status, error } = AZURE_ERRORS[name];
  return answer({ ...options, name: `azure ${name}`, status, json: { error } });
}

/** An error in the shape of vLLM and other FastAPI servers; their validation errors have a list as `detail`. */
export function vllmError(
  status: number,
  detail: string | readonly Readonly<Record<string, unknown>>[],
  options: HeaderOptions = {},
): Behaviour {
  return answer({ ...options, name: `vllm ${status}`, status, json: { detail } });
}

/** An error as plain text. */
export function textError(status: number, text: string, options: HeaderOptions = {}): Behaviour {
  return answer({ ...options, name: `text ${status}`, status, body: text, type: 'text/plain' });
}

/** A proxy's page in place of the API; with 200, a captive portal's. */
export function htmlPage(status: number, options: HeaderOptions = {}): Behaviour {
  const body = `<html><head><title>${status}</title></head><body><center><h1>${status}</h1></center><hr>nginx</body></html>`;
  return answer({ ...options, name: `html ${status}`, status, body, type: 'text/html' });
}

/** The `x-ratelimit-*` headers, as OpenAI writes them: times are texts like `6m0s`, `1.5s` or `12ms`. */
export function rateLimitHeaders(limits: {
  readonly of: 'requests' | 'images' | 'tokens';
  readonly limit: number;
  readonly remaining: number;
  readonly resetMs: number;
}): Record<string, string> {
  const { of, limit, remaining, resetMs } = limits;
  const minutes = Math.floor(resetMs / 60_000);
  const seconds = `${(resetMs % 60_000) / 1000}s`;
  return {
    [`x-ratelimit-limit-${of}`]: String(limit),
    [`x-ratelimit-remaining-${of}`]: String(remaining),
    [`x-ratelimit-reset-${of}`]: resetMs < 1000 ? `${resetMs}ms` : `${minutes ? `${minutes}m` : ''}${seconds}`,
  };
}

// -------------------------------------------------------------- connection

/** Accepts the call and never answers. */
export function hang(): Behaviour {
  return { ...silence({ after: 'nothing', by: 'hang' }), name: 'hang' };
}

/** Accepts the call, then closes or resets the connection before any answer. */
export function dropConnection(how: 'close' | 'reset', delivery: Pick<Delivery, 'beforeHeaders'> = {}): Behaviour {
  return { ...silence({ after: 'nothing', by: how }, delivery), name: `drop connection (${how})` };
}

/** A small answer that decompresses to the start of a JSON body and 1 GiB of blanks, by default. */
export function gzipBomb(options: HeaderOptions & { readonly unpackedMegabytes?: number } = {}): Behaviour {
  const { unpackedMegabytes = 1024 } = options;
  // A gzip file may have many members, so one compressed megabyte serves for all of them.
  const megabyte = gzipSync(Buffer.alloc(1024 * 1024, ' '));
  const body = Buffer.concat([
    gzipSync('{"created":1790000000,"data":['),
    ...Array.from({ length: unpackedMegabytes }, () => megabyte),
    gzipSync(']}'),
  ]);
  const headers = { ...options.headers, 'content-encoding': 'gzip' };
  return answer({ ...options, headers, name: 'gzip bomb', body, type: 'application/json' });
}

/** A base64 picture of 200 MB by default, streamed without a content-length. */
export function giantBody(options: HeaderOptions & { readonly megabytes?: number } = {}): Behaviour {
  const { megabytes = 200 } = options;
  const megabyte = Buffer.alloc(1024 * 1024, 'iVBORw0KGgoA');
  return answer({
    ...options,
    name: 'giant body',
    type: 'application/json',
    body: {
      *[Symbol.iterator]() {
        yield '{"created":1790000000,"data":[{"b64_json":"';
        for (let sent = 0; sent < megabytes; sent++) yield megabyte;
        yield '"}]}';
      },
    },
  });
}

// ---------------------------------------------------------------- anything

export interface AnswerOptions extends HeaderOptions {
  readonly name?: string;
  /** 200 by default. */
  readonly status?: number;
  /** The body as a value … */
  readonly json?: unknown;
  /** … or as it is sent. */
  readonly body?: Answer['body'];
  /** Content type of `body`. */
  readonly type?: string;
}

/** Any other answer: a redirect, an unusual status, custom headers. */
export function answer(options: AnswerOptions): Behaviour {
  const { status = 200, json, body = '', type, headers } = options;
  return {
    name: options.name ?? `answer ${status}`,
    delivery: options,
    answer: () =>
      json === undefined
        ? { status, headers: { ...(type && { 'content-type': type }), ...headers }, body }
        : jsonAnswer(status, json, headers),
  };
}

/** A file that is reached over this many redirects, each to another URL of the same server. */
export function redirected(times: number, file: Behaviour): Behaviour {
  if (times === 0) return file;
  return {
    name: 'redirect',
    delivery: {},
    answer: (_call, site) => ({
      status: 302,
      headers: { location: new URL(site.serve('png', () => redirected(times - 1, file))).pathname },
      body: '',
    }),
  };
}

/** A file that is given to requests with this key alone, as OpenAI's or as Azure's header; others get `status`. */
export function forKey(key: string | null, file: Behaviour, status: 401 | 403 = 401): Behaviour {
  return {
    ...file,
    answer: (call, site) =>
      call.headers.authorization === `Bearer ${key}` || call.headers['api-key'] === key
        ? file.answer(call, site)
        : { status, headers: {}, body: 'the key is missing' },
  };
}

// --------------------------------------------------------------- the parts

function jsonAnswer(status: number, value: unknown, headers?: Readonly<Record<string, string>>): Answer {
  return { status, headers: { 'content-type': 'application/json', ...headers }, body: JSON.stringify(value) };
}

/** What the GETs of a picture's URL meet, one after another. */
function fileOf(bytes: Buffer, format: PictureFormat, { file, fileFirst = [] }: PictureOptions): () => Behaviour {
  const left = [...fileFirst];
  const last = file ?? answer({ name: 'file', body: bytes, type: `image/${format}` });
  return () => left.shift() ?? (typeof last === 'function' ? last() : last);
}

function silence(cut: Cut, delivery: Delivery = {}): Behaviour {
  return { ...answer({}), delivery: { ...delivery, cut } };
}

/** The members of an error that were given, and nothing else. */
function errorParts({ status, code, type, message, param }: ErrorOptions): Partial<Refusal> {
  return Object.fromEntries(
    Object.entries({ status, code, type, message, param }).filter(([, value]) => value !== undefined),
  );
}

function imagesIn(call: Call): number {
  return call.files.filter(({ field }) => field !== 'mask').length;
}

async function paint(wanted: WantedPicture, index: number, content: PictureOptions['content']): Promise<Buffer> {
  const { width, height, format, transparent, compression } = wanted;
  const seed = index === 0 ? wanted.prompt : `${wanted.prompt} #${index}`;
  const texture = { width, height, format, transparent, seed, quality: Math.max(1, compression) };
  if (typeof content === 'function') return Buffer.from(await content(wanted));
  switch (content) {
    case undefined:
    case 'textured':
      return texturedPicture(texture);
    case 'blank':
      return blankPicture({ width, height, format });
    case 'truncated':
      return truncated(await texturedPicture(texture));
    case 'text':
      return Buffer.from('This is no picture.\n');
    case 'huge':
      return hugePng();
    default:
      return Buffer.from(content);
  }
}

async function* streamEvents(
  wanted: WantedPicture,
  pictures: readonly Buffer[],
  details: Readonly<Record<string, unknown>>,
  usage: PictureOptions['usage'],
  { partials = wanted.partialImages, streamError }: PictureOptions,
): AsyncGenerator<string> {
  const prefix = wanted.operation === 'edits' ? 'image_edit' : 'image_generation';
  for (let index = 0; index < partials; index++) {
    // Coarse at first and finer with each, like the partial pictures of a real model.
    const { width, height, format, transparent } = wanted;
    const partial = await texturedPicture({
      width,
      height,
      format,
      transparent,
      seed: wanted.prompt,
      tile: Math.max(1, 128 >> index),
    });
    yield event(`${prefix}.partial_image`, {
      b64_json: partial.toString('base64'),
      partial_image_index: index,
      ...details,
    });
  }
  if (streamError) {
    const { message, code, type, param } = OPENAI_ERRORS[streamError];
    yield event('error', { error: { message, type, param, code } });
    return;
  }
  for (const bytes of pictures) {
    yield event(`${prefix}.completed`, { b64_json: bytes.toString('base64'), ...details, ...(usage && { usage }) });
  }
}

/** One Server-Sent Event. */
function event(type: string, data: Readonly<Record<string, unknown>>): string {
  return `event: ${type}\ndata: ${JSON.stringify({ type, ...data })}\n\n`;
}
