import { describe, expect, it } from 'vitest';
import { readXmp, xmpPacket } from '../src/adapters/provenance/xmp.ts';
import { readAnswer } from '../src/adapters/providers/openai/answers/answer.ts';
import { recogniseBody } from '../src/adapters/providers/openai/answers/answer-kind.ts';
import { createBase64Decoder, decodeBase64 } from '../src/adapters/providers/openai/answers/base64.ts';
import { AnswerError, type ErrorBody, toOpenAIError } from '../src/adapters/providers/openai/answers/error-body.ts';
import { parseRateLimit } from '../src/adapters/providers/openai/answers/rate-limit-headers.ts';
import { readHeaders } from '../src/adapters/providers/openai/answers/response.ts';
import { classifyEvent, readEventStream } from '../src/adapters/providers/openai/answers/stream.ts';
import { classifyFault } from '../src/adapters/providers/openai/faults.ts';
import { isText } from '../src/adapters/providers/picture-bytes.ts';
import { parseRetryAfter } from '../src/adapters/providers/retry-after.ts';
import { createOtelTracing } from '../src/adapters/telemetry/otel.ts';
import { createImage, createImageHeaders } from '../src/api/create-image.ts';
import { ConfigError, readConfig } from '../src/config/config.ts';
import { TRAINED_ALGORITHMIC_MEDIA } from '../src/core/domain/digital-source.ts';
import { mediaIdOf } from '../src/core/domain/file-names.ts';
import { keepOutsideText } from '../src/core/domain/text/outside-text.ts';
import { hidePrompt } from '../src/core/domain/text/quoted-prompt.ts';
import { evaluateConditions, isMalformedTagList, rangeToServe } from '../src/http/media/conditional.ts';
import { acceptedCoding } from '../src/http/page/accepted-coding.ts';
import { readPreferences } from '../src/http/protocol/prefer.ts';
import { parseKeyFile } from '../src/security/api-keys.ts';
import { createSecretMask } from '../src/security/secret-mask.ts';

const SECRET = `sk-${'a'.repeat(40)}b`;
const { mask: maskSecrets } = createSecretMask([SECRET, 'a/b/c d:e', 'hunter22']);

function faultOf(body: Partial<ErrorBody>) {
  const whole = { message: 'no', code: null, type: null, param: null, status: null, isOwn: true, ...body };
  const context = {
    name: 'openai',
    maskSecrets,
    now: 0,
    endedBy: null,
    response: null,
    asked: { isEdit: true, parameters: ['stream'] },
  };
  return classifyFault(new AnswerError(whole, false), { ...context, hiddenPrompt: `${'a'.repeat(30)} lighthouse` });
}

function streamOf(text: string, bytesAtATime: number): ReadableStream<Uint8Array> {
  const bytes = Buffer.from(text);
  let at = 0;
  return new ReadableStream({
    pull(controller) {
      if (at >= bytes.length) return controller.close();
      controller.enqueue(bytes.subarray(at, at + bytesAtATime));
      at += bytesAtATime;
    },
  });
}

const answerOf = (text: string) =>
  readAnswer(new Response(text), { baseURL: 'http://127.0.0.1/v1', maskSecrets, onPartial: () => undefined }).catch(
    (error: unknown) => error,
  );

function configOf(env: Record<string, string>) {
  try {
    readConfig({ PROVIDERS: 'placeholder', ...env });
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
  }
}

const PROVENANCE = {
  mediaId: 'a',
  provider: 'b',
  model: 'c',
  createdAt: 'd',
  digitalSourceType: TRAINED_ALGORITHMIC_MEDIA,
  originalSha256: 'e',
};

interface Case {
  readonly what: string;
  /** Repeated up to the length. */
  readonly text: string;
  /** Follows the last one, so that what began well comes to nothing. */
  readonly end?: string;
  readonly read: (text: string) => unknown;
}

/** One text may be awkward for one reader only, so that most readers stand here with several. */
function each(what: string, texts: readonly (string | readonly [string, string])[], read: Case['read']): Case[] {
  return texts.map((given) => {
    const [text, end = ''] = typeof given === 'string' ? [given] : given;
    return { what, text, end, read };
  });
}

const CASES: readonly Case[] = [
  ...each("a provider's error code", ['a', 'a-', 'a***', 'sk-', '*', ' '], (code) => faultOf({ code })),
  ...each("a provider's message", ['a', 'a***', '***-', 'sk-*', ' \n', SECRET.slice(0, -1), SECRET], (message) =>
    faultOf({ message }),
  ),
  ...each(
    "a provider's error body",
    ['a', '<title>', ['<!doctype>', '<title>'], ' ', '[', '{"error":', '"\\'],
    (text) => toOpenAIError(new Response(text, { status: 500 })),
  ),
  ...each('a list of validation errors', ['{"loc":["a","b"],"msg":"c"},'], (text) =>
    toOpenAIError(new Response(`{"detail":[${text.slice(0, text.lastIndexOf(',', text.length))}]}`, { status: 422 })),
  ),
  ...each('a request id', ['a ', ' ', '*'], (id) =>
    readHeaders(new Response('', { headers: { 'x-request-id': id } }), 0, maskSecrets),
  ),
  ...each('the reset of a rate limit', [['1', '!'], ['1m', '!'], ['1.1', '!'], ['1ms', '!'], ' '], (text) =>
    parseRateLimit((name) => (name.includes('remaining') ? '0' : text), 0),
  ),
  ...each('Retry-After', ['1', ['1', '!'], ' ', 'Mon, ', '('], (text) => parseRetryAfter(() => text, 0)),
  ...each(
    'an answer',
    [
      'a',
      '{}\n',
      '{"b64_json":"',
      '"\\"',
      '\\',
      ['{"data":[{"url":"data:', '"}]}'],
      '{"b64_json":"\\n',
      '[{"b64_json":"QUJD"},',
      'data: {}\n',
      '\r',
    ],
    (text) => answerOf(`{"a":1}${text}`).then(() => answerOf(text)),
  ),
  ...each("an answer's data URL", [';', '; base64', ';base64 ', '%4', '%20', '='], (text) =>
    answerOf(JSON.stringify({ data: [{ url: `data:${text},${text}` }] })),
  ),
  ...each('a base64 text', ['QUJD', ' ', '=', '\\', '\n', 'Q=', 'data:'], (text) => {
    const decoder = createBase64Decoder();
    for (let at = 0; at < text.length; at += 1000) decoder.push(text.slice(at, at + 1000));
    return [decoder.end(), decodeBase64(text)];
  }),
  ...each('white space before an answer', [' ', '\n\t'], (text) => recogniseBody(streamOf(text, 1000), null)),
  ...each('a line of an event stream', ['a', 'data:', ': ', '\\"'], (text) =>
    readEventStream(streamOf(`data: "${text}`, 1000), () => undefined).catch(() => undefined),
  ),
  ...each("an event's type", ['image_', 'image_generation.'], (type) => classifyEvent({ type, data: [] }, null)),
  ...each(
    'an XMP packet',
    ['<dc:identifier ', '<dc:identifier>', ' dc:identifier="', " dc:identifier = '", ' dc:identifier  ', ' ', '<', '&'],
    readXmp,
  ),
  ...each('a prompt in an XMP packet', ['&', '\ud800', '🎨'], (prompt) => xmpPacket({ ...PROVENANCE, prompt })),
  ...each(
    'Prefer',
    ['a="', ' ', 'a ', '"\\', '\\"', ['a=', '"'], ',', ';', '=', ['wait= ', '"'], ['a=\t', '"\\'], '"a" '],
    (text) => [readPreferences(text), readPreferences(`a=${text}b c`), readPreferences(`a${text}b c`)],
  ),
  ...each('Accept-Encoding', [',', ';', 'a;q=', 'gzip', ' ', '=', '0.'], acceptedCoding),
  ...each('If-None-Match', ['"', 'W/', 'W/"', ' ', '",', '"a" , '], (text) => [
    evaluateConditions({ 'if-none-match': text }, '"a"'),
    evaluateConditions({ 'if-match': text }, '"a"'),
    isMalformedTagList(text),
  ]),
  ...each('Range', ['1', ['1', '!'], '1-2,', '-', ' '], (text) => rangeToServe({ range: `bytes=${text}` }, '"a"', 10)),
  ...each('a name of a file', ['a.', '.', 'a@', 'originals/', 'a~', ['a', '/']], mediaIdOf),
  ...each('a field of a request', ['a', 'a.', '..', '1', '1x', ' ', 'http://'], (text) =>
    createImage.safeParse({
      mediaId: text,
      prompt: text,
      size: text,
      renditions: [text],
      webhookUrl: text,
      preset: text,
    }),
  ),
  ...each('Idempotency-Key', ['a', ' '], (key) => createImageHeaders.safeParse({ 'idempotency-key': key })),
  ...each('a mask of secrets', ['a', 'sk-', SECRET, SECRET.slice(0, -1), 'easel_', 'a%2F'], maskSecrets),
  ...each('what is kept of a text', [' ', 'a ', SECRET], (text) => keepOutsideText(text, 100_000, maskSecrets)),
  ...each('a prompt that is quoted', ['a', 'ab', ' ', 'a lighthouse'], (text) => hidePrompt(text.slice(0, 400), text)),
  ...each('the environment', ['a', '/', '1', 'a:', 'a=', '-', 'a-', ' ', 'a.'], (text) => {
    for (const value of [text, `${text}!`]) {
      configOf({ PROVIDERS: value, OPENAI_API_KEY: value, OPENAI_BASE_URL: `http://a/${value}`, HOST: value });
      configOf({ BUDGET_USD_PER_DAY: value, WEBHOOK_SECRET: `whsec_${value}`, WEBHOOK_URLS: value, RETENTION: value });
      configOf({ MODEL_ALIASES: value, RETENTION_BY_LABEL: value, FETCH_ALLOW_HOSTS: value, CROP_GROUND: value });
      configOf({ OTEL_EXPORTER_OTLP_HEADERS: value, DATABASE_URL: value, IMAGE_RENDITIONS: value });
    }
  }),
  ...each('a list of budgets', ['1,', '1.1,', 'a:1,', '1:'], (text) => configOf({ BUDGET_USD_PER_DAY: `${text}!` })),
  ...each('a file of keys', ['a', ':', 'a:', '+', 'a:b:read+'], parseKeyFile),
  ...each("a collector's URL", [['/', 'x'], '/'], async (text) => {
    const logger = { child: () => logger } as never;
    const endpoint = `http://127.0.0.1/${text}`;
    await createOtelTracing({ endpoint, version: '1', instance: 'a', logger, maskSecrets, clock: {} as never }).close();
  }),
];

/** Processor time of this thread in milliseconds. */
async function millisecondsOf(work: () => unknown): Promise<number> {
  const before = process.threadCpuUsage();
  await work();
  const { user, system } = process.threadCpuUsage(before);
  return (user + system) / 1000;
}

/** Asserts that the work takes less than `limit` milliseconds, at the second try at the latest. Returns what it took. */
async function expectWithin(limit: number, work: () => unknown, message?: string): Promise<number> {
  const first = await millisecondsOf(work);
  const took = first < limit ? first : Math.min(first, await millisecondsOf(work));
  expect(took, message).toBeLessThan(limit);
  return took;
}

/** Work that grows with the square of the length takes a hundred times as long for a text of ten times the length. */
const GENEROUS = 4;
/** Less than this may be the start of a compiler or a collection of garbage. */
const NOISE_MS = 500;

describe('the time that a text from outside takes grows with its length alone', () => {
  it.each(CASES)('$what: $text', async ({ text, end = '', read }) => {
    let before = Number.POSITIVE_INFINITY;
    for (const length of [10_000, 100_000, 1_000_000]) {
      const whole = text.repeat(length / text.length) + end;
      before = await expectWithin(before * 10 * GENEROUS + NOISE_MS, () => read(whole), `for ${length} characters`);
    }
  });

  it('also for the start of a file that is no text after all', async () => {
    const file = (length: number) => Buffer.from(`a${' '.repeat(length)}\0`);
    await expectWithin(NOISE_MS, () => isText(file(31)));
    expect(isText(file(62))).toBe(false);
  });
});
