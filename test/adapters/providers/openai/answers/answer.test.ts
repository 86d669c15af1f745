import { createHash } from 'node:crypto';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { callOptions, pictureIn } from '../../../../support/generation.ts';
import { CALL, type OpenAiAdapter, startOpenAiAdapter } from '../../../../support/openai/adapter.ts';
import {
  answer,
  type Behaviour,
  BROKEN_ANSWERS,
  brokenAnswer,
  htmlPage,
  picture,
} from '../../../../support/openai/answers.ts';
import type { OpenAiServer } from '../../../../support/openai/server.ts';
import { blankPicture } from '../../../../support/pictures.ts';

let adapter: OpenAiAdapter;
let server: OpenAiServer;

beforeAll(async () => {
  adapter = await startOpenAiAdapter();
  ({ server } = adapter);
});
afterAll(() => adapter[Symbol.asyncDispose]());
beforeEach(() => server.reset());

const generate = (call = CALL) => adapter.provider().generate(call, callOptions());

/** What the answer gives, its request id apart: bytes in hex. */
async function read(behaviour: Behaviour) {
  server.script(behaviour);
  const { providerRequestId, httpStatus, ...answer } = await generate();
  expect({ providerRequestId, httpStatus }).toEqual({
    providerRequestId: server.calls.at(-1)?.requestId,
    httpStatus: 200,
  });
  if (!('bytes' in answer)) return answer;
  const { bytes, sha256, ...rest } = answer;
  expect(sha256).toBe(createHash('sha256').update(bytes).digest('hex'));
  return { ...rest, bytes: Buffer.from(bytes).toString('hex') };
}

/** A 200 with this JSON, under this content type. */
const json = (body: unknown, type = 'application/json') =>
  answer({ body: typeof body === 'string' ? body : JSON.stringify(body), type });

const URL_ELSEWHERE = 'https://example.com/1.png';
const NOTHING = { revisedPrompt: null, usage: null, pauseMs: null };
const HELD = { ...NOTHING, bytes: '010203' };
const NAMED = { ...NOTHING, url: URL_ELSEWHERE };

describe('an empty field is not given', () => {
  test.each([
    ['empty base64 beside a URL', { data: [{ url: URL_ELSEWHERE, b64_json: '' }] }, NAMED],
    ['null base64 beside a URL', { data: [{ url: URL_ELSEWHERE, b64_json: null }] }, NAMED],
    ['blank base64 beside a URL', { data: [{ url: URL_ELSEWHERE, b64_json: ' ' }] }, NAMED],
    ['base64 that is none beside a URL', { data: [{ url: URL_ELSEWHERE, b64_json: '%%%' }] }, NAMED],
    ['an empty URL beside base64', { data: [{ url: '', b64_json: 'AQID' }] }, HELD],
    ['a null URL beside base64', { data: [{ url: null, b64_json: 'AQID' }] }, HELD],
    ['base64 and a URL', { data: [{ url: URL_ELSEWHERE, b64_json: 'AQID' }] }, HELD],
    ['an empty revised prompt', { data: [{ b64_json: 'AQID', revised_prompt: '' }] }, HELD],
    [
      'a revised prompt of any length',
      { data: [{ b64_json: 'AQID', revised_prompt: 'a\n'.repeat(100_000) }] },
      { ...HELD, revisedPrompt: 'a\n'.repeat(16_000) },
    ],
    ['a revised prompt', { data: [{ b64_json: 'AQID', revised_prompt: 'a' }] }, { ...HELD, revisedPrompt: 'a' }],
    ['an empty error', { data: [{ b64_json: 'AQID' }], error: '', detail: null }, HELD],
    ['an error without members', { data: [{ b64_json: 'AQID' }], error: {} }, HELD],
    ['an empty first entry', { data: [{ b64_json: '' }, { b64_json: 'AQID' }] }, HELD],
    ['several pictures', { data: [{ b64_json: 'AQID' }, { b64_json: 'BAUG' }] }, HELD],
    ['empty data beside the picture', { data: [], b64_json: 'AQID' }, HELD],
    ['an entry that is not in a list', { data: { b64_json: 'AQID' } }, HELD],
    ['a bare list', [{ b64_json: 'AQID' }], HELD],
  ])('%s', async (_, body, expected) => {
    expect(await read(json(body))).toEqual(expected);
    expect(server.calls).toHaveLength(1);
  });

  test.each([
    ['null', null, null],
    ['empty', '', null],
    ['without output tokens', { input_tokens: 7 }, null],
    ['with empty output tokens', { output_tokens: '' }, null],
    ['without details', { input_tokens: 7, output_tokens: 9 }, [7, 0, 0, 9]],
    [
      'with null details',
      { input_tokens: 7, output_tokens: 9, input_tokens_details: null, output_tokens_details: null },
      [7, 0, 0, 9],
    ],
    [
      'with empty details',
      {
        input_tokens: 7,
        output_tokens: 9,
        input_tokens_details: { text_tokens: '', image_tokens: null, cached_tokens: '' },
      },
      [7, 0, 0, 9],
    ],
    ['with input tokens missing', { output_tokens: 9, input_tokens_details: '' }, [0, 0, 0, 9]],
    [
      'with all details',
      {
        input_tokens: 7,
        output_tokens: 9,
        input_tokens_details: { text_tokens: 5, image_tokens: 2, cached_tokens: 1 },
      },
      [5, 1, 2, 9],
    ],
  ])('usage: %s', async (_, usage, expected) => {
    const [textInput, cachedInput, imageInput, output] = expected ?? [];
    const tokens = expected && { textInput, cachedInput, imageInput, output };
    expect(await read(json({ data: [{ b64_json: 'AQID' }], usage }))).toEqual({ ...HELD, usage: tokens });
  });

  test('an empty request id is none', async () => {
    server.script(answer({ json: { data: [{ b64_json: 'AQID' }] }, headers: { 'x-request-id': '' } }));
    expect((await generate()).providerRequestId).toBeNull();
  });
});

describe('the bytes decide what an answer is', () => {
  const PLAIN = JSON.stringify({ data: [{ b64_json: 'AQID' }] });
  const event = `data: ${PLAIN}\n\n`;
  const bodies: readonly (readonly [string, string])[] = [
    ['JSON', PLAIN],
    ['JSON behind white space', `${' \r\n\t'.repeat(40_000)}${PLAIN}`],
    ['JSON behind a byte order mark', `\ufeff ${PLAIN}`],
    ['JSON over several lines', JSON.stringify(JSON.parse(PLAIN), null, 2)],
    ['JSON in lines', `{"status":"queued"}\r\n\r\n{"progress":0.5}\n${PLAIN}`],
    ['JSON in lines, the last one cut off', `{"status":"queued"}\n${PLAIN}\n{"da`],
    [
      'the events of a stream as lines',
      `{"type":"image_generation.partial_image","b64_json":"BAUG","partial_image_index":0}\n{"type":"image_generation.completed","b64_json":"AQID"}\n`,
    ],
    ['a stream', `${event}data: [DONE]\n\n`],
    ['a stream behind empty lines', `\n\n: hello\n\n${event}`],
  ];
  const types = [
    'application/json',
    'application/x-ndjson',
    'text/plain',
    'application/octet-stream',
    'text/event-stream',
    'image/png',
    '',
  ];

  test.each(bodies)('%s, under any content type', async (_, body) => {
    for (const type of types) expect(await read(json(body, type))).toEqual(HELD);
    expect(server.calls).toHaveLength(types.length);
  });

  test.each(['png', 'jpeg', 'webp'] as const)('the picture itself, a %s, under any content type', async (format) => {
    const bytes = await blankPicture({ width: 64, height: 64, format });
    for (const type of types) {
      expect(await read(answer({ body: bytes, type }))).toEqual({ ...NOTHING, bytes: bytes.toString('hex') });
    }
  });

  test.each([
    ['GIF', 'GIF89a', 0],
    ['AVIF', '\0\0\0\x20ftypavif', 0],
    ['HEIF', '\0\0\0\x18ftypheic', 0],
    ['TIFF, little endian', 'II*\0', 0],
    ['TIFF, big endian', 'MM\0*', 0],
  ])('a body that begins as %s is the picture itself', async (_, start) => {
    const bytes = Buffer.concat([Buffer.from(start, 'latin1'), Buffer.alloc(50, 7)]);
    expect(await read(answer({ body: bytes }))).toEqual({ ...NOTHING, bytes: bytes.toString('hex') });
  });

  test('each way in which the stand-in gives a picture brings the same one', async () => {
    const expected = pictureIn(await generate());
    for (const as of ['lines', 'data_url', 'body'] as const) {
      server.script(picture({ as }));
      const { bytes, usage } = pictureIn(await generate());
      expect(Buffer.compare(bytes, expected.bytes)).toBe(0);
      expect(usage).toEqual(as === 'body' ? null : expected.usage);
    }
  });
});

describe('a picture that is named by a URL', () => {
  const named = (url: string) => json({ data: [{ url }] });

  test('is not fetched: its address is the answer, with all that is known of the call', async () => {
    server.script(picture({ as: 'url', revisedPrompt: 'a tower' }));
    const answered = await generate();
    expect(answered).toMatchObject({
      url: expect.stringContaining(`${server.origin}/files/`),
      revisedPrompt: 'a tower',
    });
    expect(answered.usage?.output).toBeGreaterThan(0);
    expect(answered.providerRequestId).toBe(server.calls[0]?.requestId);
    expect(server.otherCalls).toEqual([]);
  });

  test.each([
    ['/files/1.png', '/files/1.png'],
    ['files/1.png?a=b', '/v1/files/1.png?a=b'],
    ['../1.png', '/1.png'],
  ])('relative, it is resolved against the base URL: %s', async (url, path) => {
    expect(await read(named(url))).toEqual({ ...NOTHING, url: `${server.origin}${path}` });
    server.script(named(url));
    const sameBase = adapter.provider({ baseURL: `${server.baseUrl}/` });
    expect(await sameBase.generate(CALL, callOptions())).toMatchObject({ url: `${server.origin}${path}` });
  });

  test('without a scheme, it has the scheme of the base URL', async () => {
    expect(await read(named('//example.com/1.png'))).toEqual({ ...NOTHING, url: 'http://example.com/1.png' });
  });

  test.each([
    ['base64', 'data:image/png;base64,AQID'],
    ['base64, in capitals', 'DATA:image/png;BASE64,AQID'],
    ['base64 without padding, percent-encoded', 'data:;base64,%41Q%49D'],
    ['base64 with parameters', 'data:image/png;charset=utf-8;base64,AQID'],
    ['percent-encoded bytes', 'data:image/png,%01%02%03'],
  ])('as a data: URL, it is decoded: %s', async (_, url) => {
    expect(await read(named(url))).toEqual(HELD);
    expect(server.otherCalls).toEqual([]);
  });

  test.each([
    '',
    'data:image/png;base64,',
    'data:image/png;base64,%%%',
    'data:,',
    'ftp://example.com/1.png',
    'file:///etc/passwd',
    'http://',
    `https://example.com/${'a'.repeat(40_000)}`,
  ])('is no picture where the URL is "%s"', async (url) => {
    server.script(named(url));
    await expect(generate()).rejects.toMatchObject({ fault: 'empty', outcome: 'unknown', httpStatus: 200 });
  });
});

describe('a 200 without a picture is `empty`, and may have been billed', () => {
  test.each<[string, Behaviour]>([
    ...BROKEN_ANSWERS.map((kind): [string, Behaviour] => [kind, brokenAnswer(kind)]),
    ['an HTML page', htmlPage(200)],
    ['a bare line break in the base64', json('{"data":[{"b64_json":"AQ\nID"}]}')],
    ['lines of JSON without a picture', json('{"status":"queued"}\n{"status":"done"}\n')],
    ['nothing but white space', json(' \n'.repeat(1000))],
    ['a text', answer({ body: 'https://example.com/1.png', type: 'text/plain' })],
  ])('%s', async (_, behaviour) => {
    server.script(behaviour);
    const providerRequestId = () => server.calls[0]?.requestId;
    const error: unknown = await generate().catch((reason: unknown) => reason);
    expect(error).toMatchObject({
      fault: 'empty',
      outcome: 'unknown',
      httpStatus: 200,
      providerRequestId: providerRequestId(),
    });
    expect(server.calls).toHaveLength(1);
  });

  test('and leaves no connection in use', async () => {
    const before = server.openSockets;
    server.script(answer({ body: ['<html><body>', '</body>'], type: 'text/html', drip: { pause: 'forever' } }));
    await expect(generate()).rejects.toMatchObject({ fault: 'empty', outcome: 'unknown' });
    await server.abandoned(1);
    await server.until(() => server.openSockets <= before);
  });
});

describe('an answer that breaks off', () => {
  test('inside the picture has no picture', async () => {
    server.script(picture({ cut: { after: { bytes: 10_000 }, by: 'reset' } }));
    await expect(generate()).rejects.toMatchObject({ fault: 'interrupted', outcome: 'unknown', httpStatus: 200 });
  });

  test.each(['close', 'reset', 'end', 'hang'] as const)('behind the picture has the picture: %s', async (by) => {
    const body = ['{"data":[{"b64_json":"AQID"', '}],"usage":{}}'];
    server.script(answer({ body, cut: { after: { pieces: 1 }, by } }));
    const provider = adapter.provider({ timeoutMs: by === 'hang' ? 300 : 10_000 });
    const { bytes, usage } = pictureIn(await provider.generate(CALL, callOptions()));
    expect([Buffer.from(bytes).toString('hex'), usage]).toEqual(['010203', null]);
  });

  test('behind a partial picture has no picture', async () => {
    const partial = '{"type":"image_generation.partial_image","partial_image_index":0,"b64_json":"AQID"}\n';
    server.script(answer({ body: [partial, '{'], cut: { after: { pieces: 1 }, by: 'close' } }));
    await expect(generate()).rejects.toMatchObject({ fault: 'interrupted', outcome: 'unknown' });
  });

  test('in a picture that is the body has no picture', async () => {
    server.script(picture({ as: 'body', cut: { after: { bytes: 10_000 }, by: 'close' } }));
    await expect(generate()).rejects.toMatchObject({ fault: 'interrupted', outcome: 'unknown' });
  });
});
