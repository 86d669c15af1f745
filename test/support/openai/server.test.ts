import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { text } from 'node:stream/consumers';
import { fileURLToPath } from 'node:url';
import OpenAI, { APIConnectionError, APIConnectionTimeoutError, AzureOpenAI, toFile } from 'openai';
import sharp from 'sharp';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import type { Delivery } from '../network/http-delivery.ts';
import { blankPicture, texturedPicture } from '../pictures.ts';
import { LONGEST_WAIT_MS } from '../until.ts';
import {
  answer,
  azureError,
  type Behaviour,
  BROKEN_ANSWERS,
  brokenAnswer,
  dropConnection,
  giantBody,
  gzipBomb,
  hang,
  htmlPage,
  openAiError,
  picture,
  rateLimitHeaders,
  textError,
  vllmError,
} from './answers.ts';
import { OPENAI_ERRORS, type OpenAiErrorName } from './dialect.ts';
import { type OpenAiServer, startOpenAiServer } from './server.ts';

let server: OpenAiServer;
let client: OpenAI;

beforeAll(async () => {
  server = await startOpenAiServer();
  client = new OpenAI({ baseURL: server.baseUrl, apiKey: server.key ?? '', maxRetries: 0, logLevel: 'off' });
});
afterAll(() => server.close());
beforeEach(() => server.reset());

/** The smallest legal size of the flexible models, so that painting is quick. */
const small = { model: 'gpt-image-2', prompt: 'a lighthouse at dusk', size: '1024x640' } as const;

function post(body: unknown, init: RequestInit = {}, to = server): Promise<Response> {
  return fetch(`${to.baseUrl}/images/generations`, {
    method: 'POST',
    body: typeof body === 'string' ? body : JSON.stringify(body),
    ...init,
    headers: { authorization: `Bearer ${to.key}`, 'content-type': 'application/json', ...init.headers },
  });
}

/** Sends one call over a bare socket and gives everything that comes back, as it comes. */
function postRaw(body: unknown): { socket: Socket; received: Promise<{ text: string; error: string | null }> } {
  const json = JSON.stringify(body);
  const socket = connect(Number(new URL(server.origin).port), '127.0.0.1');
  socket.write(
    `POST /v1/images/generations HTTP/1.1\r\nhost: localhost\r\nauthorization: Bearer ${server.key}\r\n` +
      `content-type: application/json\r\ncontent-length: ${Buffer.byteLength(json)}\r\nconnection: close\r\n\r\n${json}`,
  );
  let text = '';
  let error: string | null = null;
  socket.on('data', (chunk) => {
    text += chunk.toString('latin1');
  });
  socket.on('error', (fault: NodeJS.ErrnoException) => {
    error = fault.code ?? fault.message;
  });
  const received = new Promise<{ text: string; error: string | null }>((resolve) => {
    socket.on('close', () => resolve({ text, error }));
  });
  return { socket, received };
}

function decode(image: { b64_json?: string } | undefined): Buffer {
  return Buffer.from(image?.b64_json ?? '', 'base64');
}

describe('good answers', () => {
  test.each([
    [{}, { format: 'png', width: 1024, height: 1024 }],
    [{ size: 'auto' }, { format: 'png', width: 1024, height: 1024 }],
    [{ size: '1792x1024' }, { format: 'png', width: 1792, height: 1024 }],
    [
      { size: '1024x640', output_format: 'webp', output_compression: 80 },
      { format: 'webp', width: 1024, height: 640 },
    ],
    [
      { size: '640x1024', output_format: 'jpeg' },
      { format: 'jpeg', width: 640, height: 1024 },
    ],
    [
      { size: '1024x640', background: 'transparent' },
      { format: 'png', hasAlpha: true },
    ],
  ] as const)('%o is painted as asked for', async (parameters, expected) => {
    const { data, response } = await client.images
      .generate({ model: 'gpt-image-2', prompt: 'a lighthouse', ...parameters })
      .withResponse();
    expect(await sharp(decode(data.data?.[0])).metadata()).toMatchObject(expected);
    expect(data.output_format).toBe(expected.format);
    expect(response.headers.get('x-request-id')).toBe(server.calls[0]?.requestId);
  });

  test('details and usage come along', async () => {
    const result = await client.images.generate({ ...small, prompt: 'twelve chars', quality: 'low', n: 2 });
    expect(result).toMatchObject({
      size: '1024x640',
      quality: 'low',
      background: 'opaque',
      output_format: 'png',
      usage: {
        input_tokens: 3,
        input_tokens_details: { text_tokens: 3, image_tokens: 0 },
        output_tokens: 2 * 107,
        total_tokens: 3 + 2 * 107,
      },
    });
    expect(Math.abs(result.created - Date.now() / 1000)).toBeLessThan(LONGEST_WAIT_MS / 1000);
    const [first, second] = (result.data ?? []).map(decode);
    expect(first?.length).toBeGreaterThan(1000);
    expect(second?.equals(first as Buffer)).toBe(false);
  });

  test('the same prompt gives the same picture, another one another', async () => {
    const ask = async (prompt: string) => decode((await client.images.generate({ ...small, prompt })).data?.[0]);
    const [one, same, other] = [await ask('one'), await ask('one'), await ask('other')];
    expect(same?.equals(one as Buffer)).toBe(true);
    expect(other?.equals(one as Buffer)).toBe(false);
  });

  test('a url is served by the server itself', async () => {
    server.script(
      picture({ as: 'url', revisedPrompt: 'a tall lighthouse' }),
      picture({ as: 'url', file: htmlPage(502) }),
      picture({ url: 'http://169.254.169.254/latest' }),
    );
    const ask = async () => (await client.images.generate(small)).data?.[0];
    const good = await ask();
    expect(good?.b64_json).toBeUndefined();
    expect(good?.revised_prompt).toBe('a tall lighthouse');
    const file = await fetch(good?.url ?? '');
    expect(file.headers.get('content-type')).toBe('image/png');
    expect(await sharp(await file.bytes()).metadata()).toMatchObject({ width: 1024, height: 640 });
    expect((await fetch((await ask())?.url ?? '')).status).toBe(502);
    expect((await ask())?.url).toBe('http://169.254.169.254/latest');
    expect(server.calls).toHaveLength(3);
    expect(server.otherCalls.map(({ operation, status }) => [operation, status])).toEqual([
      ['file', 200],
      ['file', 502],
    ]);
  });

  test.each([
    [undefined, 'url'],
    ['b64_json', 'b64_json'],
  ] as const)('dall-e-3 with response_format %s answers %s, while it is served', async (format, member) => {
    server.today = '2026-05-11';
    const { data } = await client.images.generate({
      model: 'dall-e-3',
      prompt: 'a lighthouse',
      size: '1792x1024',
      style: 'vivid',
      quality: 'hd',
      ...(format && { response_format: format }),
    });
    server.today = '2026-11-22';
    expect(data?.[0]?.[member]).toEqual(expect.any(String));
  });

  test('a script changes what is painted and answered', async () => {
    const usage = { input_tokens: 1, output_tokens: 2, total_tokens: 3 };
    const photo = await texturedPicture({ width: 64, height: 48, format: 'jpeg' });
    server.script(
      picture({ size: '512x512', format: 'webp', usage, headers: { 'x-ratelimit-remaining-images': '4' } }),
      picture({ content: photo, usage: null }),
      picture({ content: ({ width, height }) => blankPicture({ width: width / 2, height: height / 2 }) }),
    );
    const first = await client.images.generate(small).withResponse();
    expect(first.data).toMatchObject({ size: '512x512', output_format: 'webp', usage });
    expect(first.response.headers.get('x-ratelimit-remaining-images')).toBe('4');
    expect(await sharp(decode(first.data.data?.[0])).metadata()).toMatchObject({ format: 'webp', width: 512 });
    const second = await client.images.generate(small);
    expect(second.usage).toBeUndefined();
    expect(decode(second.data?.[0]).equals(photo)).toBe(true);
    const third = await client.images.generate(small);
    expect(await sharp(decode(third.data?.[0])).metadata()).toMatchObject({ width: 512, height: 320 });
  });

  test.each([0, 2, 3])('a stream brings %i partial pictures and the finished one', async (partial_images) => {
    const events = [];
    for await (const event of await client.images.generate({ ...small, stream: true, partial_images })) {
      events.push(event);
    }
    const expected = Array.from({ length: partial_images }, (_, index) => index);
    const partials = events.filter((event) => event.type === 'image_generation.partial_image');
    expect(partials.map((event) => event.partial_image_index)).toEqual(expected);
    const last = events.at(-1);
    expect(last).toMatchObject({ type: 'image_generation.completed', size: '1024x640', usage: { input_tokens: 5 } });
    for (const event of events) {
      expect(await sharp(decode(event)).metadata()).toMatchObject({ width: 1024, height: 640 });
    }
    expect(new Set(events.map(({ b64_json }) => b64_json)).size).toBe(events.length);
    expect(decode(last).equals(decode((await client.images.generate(small)).data?.[0]))).toBe(true);
  });

  test('a stream goes on event by event as the test lets it, and can end in an error', async () => {
    const gate = server.gate();
    server.script(picture({ drip: { pause: gate }, streamError: 'moderation_blocked' }));
    const stream = await client.images.generate({ ...small, stream: true, partial_images: 2 });
    const events = stream[Symbol.asyncIterator]();
    expect((await events.next()).value).toMatchObject({ partial_image_index: 0 });
    await gate.reached();
    gate.release();
    expect((await events.next()).value).toMatchObject({ partial_image_index: 1 });
    gate.open();
    await expect(events.next()).rejects.toMatchObject({ code: 'moderation_blocked' });
  });

  test('a stream can stop without its last event', async () => {
    server.script(picture({ cut: { after: { pieces: 1 }, by: 'end' } }));
    const types = [];
    for await (const { type } of await client.images.generate({ ...small, stream: true, partial_images: 2 })) {
      types.push(type);
    }
    expect(types).toEqual(['image_generation.partial_image']);
  });
});

describe('edits', () => {
  const image = async () =>
    toFile(await texturedPicture({ width: 64, height: 64 }), 'harbour.png', { type: 'image/png' });

  test('a form is kept as it was sent, and answered', async () => {
    const mask = await texturedPicture({ width: 64, height: 64, transparent: true });
    const result = await client.images.edit({
      ...small,
      image: [await image(), await image()],
      mask: await toFile(mask, 'mask.png', { type: 'image/png' }),
      n: 1,
    });
    expect(await sharp(decode(result.data?.[0])).metadata()).toMatchObject({ width: 1024, height: 640 });
    expect(result.usage?.input_tokens_details.image_tokens).toBe(646);
    const [call] = server.calls;
    expect(call).toMatchObject({ operation: 'edits', path: '/v1/images/edits', body: { ...small, n: 1 } });
    // The SDK puts the parts in an order of its own.
    expect(call?.files.map(({ field, filename }) => `${field} ${filename}`).toSorted()).toEqual([
      'image[] harbour.png',
      'image[] harbour.png',
      'mask mask.png',
    ]);
    expect(call?.files.find(({ field }) => field === 'mask')).toMatchObject({ contentType: 'image/png', bytes: mask });
  });

  test('a server without the endpoint, or without a parameter, refuses and takes nothing from the script', async () => {
    await using compatible = await startOpenAiServer();
    const sdk = new OpenAI({ baseURL: compatible.baseUrl, apiKey: compatible.key ?? '', maxRetries: 0 });
    compatible.script(openAiError('slow_down'));
    compatible.edits = false;
    await expect(sdk.images.edit({ ...small, image: await image() })).rejects.toMatchObject({
      status: 404,
      code: null,
    });
    compatible.refuses = ['n'];
    const refusal = { status: 400, code: 'unknown_parameter', param: 'n' };
    await expect(sdk.images.generate({ ...small, n: 1 })).rejects.toMatchObject(refusal);
    expect(compatible.unusedSteps).toBe(1);
  });

  test('a stream has events of its own', async () => {
    const types = [];
    const stream = await client.images.edit({ ...small, image: await image(), stream: true, partial_images: 1 });
    for await (const { type } of stream) types.push(type);
    expect(types).toEqual(['image_edit.partial_image', 'image_edit.completed']);
  });

  test.each([
    ['no image', async () => ({}), 'missing_required_parameter', 'image'],
    ['no picture', async () => ({ image: await toFile(Buffer.from('no'), 'a.png') }), 'invalid_image_file', 'image'],
    ['a mask without alpha', async () => ({ image: await image(), mask: await image() }), 'invalid_image_file', 'mask'],
    [
      '17 images',
      async () => ({ image: await Promise.all(Array.from({ length: 17 }, image)) }),
      'invalid_value',
      'image',
    ],
    ['moderation', async () => ({ image: await image(), moderation: 'low' }), 'unknown_parameter', 'moderation'],
  ])('%s is refused', async (_, parts, code, param) => {
    // Wrong on purpose, past the SDK's types.
    const call = client.images.edit({ ...small, ...(await parts()) } as OpenAI.ImageEditParamsNonStreaming);
    await expect(call).rejects.toMatchObject({ status: 400, code, param });
  });
});

describe('what the API refuses', () => {
  const word = 'x';
  test.each([
    [{ ...small, response_format: 'b64_json' }, 400, 'unknown_parameter', 'response_format'],
    [{ ...small, style: 'vivid' }, 400, 'unknown_parameter', 'style'],
    [{ ...small, mediaId: 'a' }, 400, 'unknown_parameter', 'mediaId'],
    [{ ...small, size: '1792×1024' }, 400, 'invalid_value', 'size'],
    [{ ...small, size: '1200x675' }, 400, 'invalid_value', 'size'],
    [{ ...small, size: '1208x1024' }, 400, 'invalid_value', 'size'],
    [{ ...small, size: '512x512' }, 400, 'invalid_value', 'size'],
    [{ ...small, size: '3840x3840' }, 400, 'invalid_value', 'size'],
    [{ ...small, size: '3856x1024' }, 400, 'invalid_value', 'size'],
    [{ ...small, size: '3840x1264' }, 400, 'invalid_value', 'size'],
    [{ ...small, size: 1024 }, 400, 'invalid_value', 'size'],
    [{ ...small, model: 'gpt-image-1.5' }, 400, 'invalid_value', 'size'],
    [{ ...small, quality: 'hd' }, 400, 'invalid_value', 'quality'],
    [{ ...small, quality: 'max' }, 400, 'invalid_value', 'quality'],
    [{ ...small, n: 11 }, 400, 'invalid_value', 'n'],
    [{ ...small, n: '1' }, 400, 'invalid_value', 'n'],
    [{ ...small, stream: 'yes' }, 400, 'invalid_type', 'stream'],
    [{ ...small, partial_images: 4 }, 400, 'invalid_value', 'partial_images'],
    [{ ...small, background: 'green' }, 400, 'invalid_value', 'background'],
    [{ ...small, background: 'transparent', output_format: 'jpeg' }, 400, 'invalid_value', 'background'],
    [{ ...small, output_format: 'avif' }, 400, 'invalid_value', 'output_format'],
    [{ ...small, output_compression: 50 }, 400, 'invalid_value', 'output_compression'],
    [{ ...small, prompt: word.repeat(32_001) }, 400, 'string_above_max_length', 'prompt'],
    [{ ...small, prompt: '' }, 400, 'invalid_value', 'prompt'],
    [{ ...small, prompt: 7 }, 400, 'invalid_type', 'prompt'],
    [{ ...small, prompt: undefined }, 400, 'missing_required_parameter', 'prompt'],
    [{ ...small, model: undefined }, 400, 'missing_required_parameter', 'model'],
    [{ ...small, model: 'gpt-image-99' }, 404, 'model_not_found', 'model'],
    [{ ...small, model: 'constructor' }, 404, 'model_not_found', 'model'],
    [{ ...small, constructor: 1 }, 400, 'unknown_parameter', 'constructor'],
    [{ ...small, model: 'dall-e-3' }, 404, 'model_not_found', 'model'],
    [{ ...small, model: 'gpt-image-1' }, 404, 'model_not_found', 'model'],
    ['{"model":', 400, null, null],
    ['[]', 400, null, null],
  ] as const)('%o: %i %s', async (body, status, code, param) => {
    const response = await post(body);
    expect(response.status).toBe(status);
    expect(await response.json()).toEqual({
      error: { message: expect.any(String), type: 'invalid_request_error', param, code },
    });
    expect(server.calls[0]).toMatchObject({ behaviour: `refused: ${code ?? 400}`, status, ending: 'answered' });
  });

  test.each([
    [{ ...small, prompt: '🌊'.repeat(32_000) }],
    [{ ...small, size: '3840x1280', prompt: 'wide' }],
    [{ ...small, model: 'gpt-image-2.5-flare', quality: 'max' }],
    [{ ...small, style: null, n: null, output_format: null }, 'style'],
    [{ ...small, moderation: 'low', safety_identifier: 'a', user: 'b', output_compression: 100 }],
  ] as const)('%o is taken, up to what is unknown', async (body, unknown?: string) => {
    const response = await post(body);
    const json: unknown = await response.json();
    expect(json).toMatchObject(unknown ? { error: { param: unknown } } : { size: body.size });
  });

  test.each([
    ['no key', {}, 'invalid_api_key'],
    ['a wrong key', { authorization: 'Bearer sk-wrong-0000-tail' }, 'invalid_api_key'],
    ['another scheme', { authorization: 'Basic c2s6' }, 'invalid_api_key'],
  ])('%s: 401', async (_, headers, code) => {
    const response = await fetch(`${server.baseUrl}/images/generations`, {
      method: 'POST',
      headers: { 'content-type': 'application/json', ...headers },
      body: JSON.stringify(small),
    });
    expect(response.status).toBe(401);
    const body = await response.text();
    expect(JSON.parse(body)).toMatchObject({ error: { code, type: 'invalid_request_error' } });
    expect(body).not.toContain('wrong');
  });

  test('a refused call takes nothing from the script', async () => {
    server.script(openAiError('server_error'));
    expect((await post({ ...small, style: 'vivid' })).status).toBe(400);
    expect((await post(small, { headers: { authorization: 'Bearer no' } })).status).toBe(401);
    expect(server.unusedSteps).toBe(1);
    expect((await post(small)).status).toBe(500);
    expect(server.unusedSteps).toBe(0);
  });

  test('other paths and methods', async () => {
    expect((await fetch(`${server.baseUrl}/chat/completions`, { method: 'POST' })).status).toBe(404);
    expect((await fetch(`${server.origin}/files/9.png`)).status).toBe(404);
    expect((await fetch(`${server.baseUrl}/images/generations`)).status).toBe(405);
    expect(server.otherCalls.map(({ operation }) => operation)).toEqual(['unknown', 'file']);
  });

  test('a server that is not strict takes anything and still checks the key', async () => {
    await using compatible = await startOpenAiServer({ strict: false, key: 'local' });
    const sd = new OpenAI({ baseURL: compatible.baseUrl, apiKey: 'local', maxRetries: 0 });
    const { data } = await sd.images.generate({ model: 'sdxl', prompt: 'a', size: '200x100', response_format: 'url' });
    expect(await sharp(await (await fetch(data?.[0]?.url ?? '')).bytes()).metadata()).toMatchObject({ width: 200 });
    compatible.key = 'changed';
    await expect(sd.images.generate({ prompt: 'a' })).rejects.toMatchObject({ status: 401, code: 'invalid_api_key' });
    compatible.key = null;
    await expect(sd.images.generate({ prompt: 'a', size: '64x64' })).resolves.toMatchObject({ size: '64x64' });
  });
});

describe('models', () => {
  test('are listed with their shutdown dates, retired ones left out', async () => {
    const rows = (await client.models.list()).data;
    const dates = new Map(rows.map(({ id, shutdown_date }) => [id, shutdown_date]));
    expect(dates.get('gpt-image-2')).toBeNull();
    expect(dates.get('gpt-image-1.5')).toBe('2026-12-01');
    expect(dates.has('dall-e-3')).toBe(false);
    expect(await client.models.retrieve('gpt-image-1.5')).toMatchObject({ shutdown_date: '2026-12-01' });
    await expect(client.models.retrieve('dall-e-3')).rejects.toMatchObject({ status: 404, code: 'model_not_found' });
  });

  test('a date can be set, and the model is refused from that day on', async () => {
    await using own = await startOpenAiServer();
    const sdk = new OpenAI({ baseURL: own.baseUrl, apiKey: own.key ?? '', maxRetries: 0 });
    const model = own.models.get('gpt-image-2');
    if (model) model.shutdownDate = '2027-01-01';
    expect(await sdk.models.retrieve('gpt-image-2')).toMatchObject({ shutdown_date: '2027-01-01' });
    own.today = '2026-12-31';
    await sdk.images.generate(small);
    own.today = '2027-01-01';
    await expect(sdk.images.generate(small)).rejects.toMatchObject({ code: 'model_not_found' });
    expect(server.models.get('gpt-image-2')?.shutdownDate).toBeNull();
  });

  test('have a script of their own', async () => {
    server.script(openAiError('slow_down'));
    server.scriptModels(openAiError('server_is_overloaded'));
    await expect(client.models.list()).rejects.toMatchObject({ status: 503 });
    expect((await client.models.list()).data).not.toHaveLength(0);
    expect(server.unusedSteps).toBe(1);
    expect(server.calls).toHaveLength(0);
  });
});

test('Azure’s client finds its way in', async () => {
  const azure = new AzureOpenAI({
    endpoint: server.origin,
    apiKey: server.key ?? '',
    apiVersion: '2026-10-01',
    maxRetries: 0,
  });
  await expect(azure.images.generate(small)).resolves.toMatchObject({ size: '1024x640' });
  expect(server.calls[0]).toMatchObject({
    operation: 'generations',
    path: '/openai/deployments/gpt-image-2/images/generations?api-version=2026-10-01',
  });
});

describe('scripted errors', () => {
  test.each(Object.keys(OPENAI_ERRORS) as OpenAiErrorName[])('%s reaches the SDK as it is', async (name) => {
    const { status, code, type } = OPENAI_ERRORS[name];
    server.script(openAiError(name));
    await expect(client.images.generate(small)).rejects.toMatchObject({
      status,
      code,
      type,
      requestID: server.calls[0]?.requestId ?? expect.any(String),
    });
    expect(server.calls[0]?.behaviour).toBe(name);
  });

  test('any part can be replaced, headers added', async () => {
    const headers = {
      'retry-after': '2',
      'retry-after-ms': '1500',
      ...rateLimitHeaders({ of: 'images', limit: 5, remaining: 0, resetMs: 12_000 }),
    };
    server.script(
      openAiError('rate_limit_exceeded', { status: 418, code: 'teapot', type: 't', message: 'm', param: 'p', headers }),
    );
    const response = await post(small);
    expect(response.status).toBe(418);
    expect(await response.json()).toEqual({ error: { code: 'teapot', type: 't', message: 'm', param: 'p' } });
    expect(Object.fromEntries(response.headers)).toMatchObject({
      'retry-after': '2',
      'retry-after-ms': '1500',
      'x-ratelimit-limit-images': '5',
      'x-ratelimit-remaining-images': '0',
      'x-ratelimit-reset-images': '12s',
    });
  });

  test.each([
    [12, '12ms'],
    [1500, '1.5s'],
    [360_000, '6m0s'],
    [61_500, '1m1.5s'],
  ])('a reset in %i ms is written %s', (resetMs, written) => {
    const headers = rateLimitHeaders({ of: 'requests', limit: 1, remaining: 0, resetMs });
    expect(headers['x-ratelimit-reset-requests']).toBe(written);
  });

  const azureBlock = { error: expect.objectContaining({ code: 'Forbidden' }) };
  test.each<[string, Behaviour, number, string, unknown]>([
    ['azure', azureError('resourceBlocked'), 403, 'application/json', azureBlock],
    ['vllm', vllmError(400, 'bad size'), 400, 'application/json', { detail: 'bad size' }],
    ['text', textError(502, 'Bad gateway'), 502, 'text/plain', 'Bad gateway'],
    ['html', htmlPage(200), 200, 'text/html', expect.stringContaining('<html>')],
    ['any', answer({ status: 307, headers: { location: '/x' } }), 307, '', ''],
  ])('%s bodies', async (_, behaviour, status, type, expected) => {
    server.script(behaviour);
    const response = await post(small, { redirect: 'manual' });
    expect([response.status, response.headers.get('content-type') ?? '']).toEqual([status, type]);
    const text = await response.text();
    expect(type === 'application/json' ? JSON.parse(text) : text).toEqual(expected);
  });

  test.each(BROKEN_ANSWERS)('a 200 with %s', async (kind) => {
    server.script(brokenAnswer(kind));
    const response = await post(small);
    expect([response.status, response.headers.get('content-type')]).toEqual([200, 'application/json']);
    expect(await response.text()).not.toMatch(/b64_json":"iVBOR.*"}/);
    expect(server.calls[0]?.behaviour).toBe(kind);
  });

  test.each([
    ['truncated', /read error|end of/i],
    ['text', /unsupported/i],
    ['huge', /pixel limit/i],
  ] as const)('a picture that is %s cannot be decoded within limits', async (content, reason) => {
    server.script(picture({ content }));
    const bytes = decode((await client.images.generate(small)).data?.[0]);
    await expect(sharp(bytes, { limitInputPixels: 50_000_000 }).raw().toBuffer()).rejects.toThrow(reason);
  });

  test('a blank picture is sound and empty', async () => {
    server.script(picture({ content: 'blank' }));
    const { entropy } = await sharp(decode((await client.images.generate(small)).data?.[0])).stats();
    expect(entropy).toBeLessThan(0.1);
  });

  test('steps are taken in order, then the lasting one; functions see the call', async () => {
    server.script(openAiError('server_error'), (call) => textError(418, String(call.body.prompt)));
    server.always(async () => openAiError('slow_down'));
    const statuses = [];
    for (let call = 0; call < 4; call++) statuses.push((await post(small)).status);
    expect(statuses).toEqual([500, 418, 429, 429]);
    server.reset();
    expect((await post(small)).status).toBe(200);
  });
});

describe('answers that travel badly', () => {
  const nothing = { text: '', error: null };

  test.each([
    ['close', nothing],
    ['reset', { text: '', error: 'ECONNRESET' }],
  ] as const)('the connection can be dropped before the headers (%s)', async (how, expected) => {
    server.script(dropConnection(how), dropConnection(how));
    expect(await postRaw(small).received).toEqual(expected);
    await expect(client.images.generate(small)).rejects.toThrow(APIConnectionError);
    await server.ended(2);
    expect(server.calls[1]).toMatchObject({ ending: 'dropped', status: null, behaviour: `drop connection (${how})` });
  });

  test.each<[string, Delivery['cut'] & object, number, string | null]>([
    ['after the headers', { after: 'headers', by: 'close' }, 0, null],
    ['in the body', { after: { bytes: 1000 }, by: 'close' }, 1000, null],
    ['in the body, by a reset', { after: { bytes: 1000 }, by: 'reset' }, 1000, 'ECONNRESET'],
  ])('or cut %s', async (_, cut, bytes, error) => {
    server.script(picture({ cut }), picture({ cut }));
    const raw = await postRaw(small).received;
    const [head = '', body = ''] = raw.text.split('\r\n\r\n');
    expect(head).toMatch(/^HTTP\/1.1 200 OK\r\n/);
    expect(head).toMatch(/content-length: \d{5,}/);
    expect([body.length, raw.error]).toEqual([bytes, error]);
    await expect(client.images.generate(small)).rejects.toThrow();
    await server.ended(2);
    expect(server.calls[1]).toMatchObject({ ending: 'dropped', status: 200 });
  });

  test('an answer can end properly, but short', async () => {
    server.script(picture({ cut: { after: { bytes: 1000 }, by: 'end' } }));
    const response = await post(small);
    expect((await response.text()).length).toBe(1000);
    await server.ended(1);
    expect(server.calls[0]?.ending).toBe('answered');
  });

  test.each<[string, Behaviour, boolean]>([
    ['at once', hang(), false],
    ['after the headers', picture({ cut: { after: 'headers', by: 'hang' } }), true],
    ['in the headers', picture({ inHeaders: 'forever' }), false],
    ['in the body', picture({ cut: { after: { bytes: 1000 }, by: 'hang' } }), true],
    ['in drops', picture({ drip: { bytes: 100, pause: 'forever' } }), true],
  ])('it can hang %s, and the client’s leaving is noticed', async (_, behaviour, hasHeaders) => {
    await using own = await startOpenAiServer();
    own.script(behaviour);
    const leaving = new AbortController();
    const answered = post(small, { signal: leaving.signal }, own);
    if (hasHeaders) expect((await answered).status).toBe(200);
    const call = await own.received(1);
    expect(call.ending).toBe('open');
    expect(own.openSockets).toBe(1);
    leaving.abort();
    if (!hasHeaders) await expect(answered).rejects.toThrow();
    await own.abandoned(1);
    expect(call.ending).toBe('client_left');
    await own.until(() => own.openSockets === 0);
  });

  test('the SDK’s own timeout is seen as the client’s leaving', async () => {
    server.script(hang());
    await expect(client.images.generate(small, { timeout: 50 })).rejects.toThrow(APIConnectionTimeoutError);
    await server.abandoned(1);
    expect(server.calls).toHaveLength(1);
  });

  test.each<[string, (pause: NonNullable<Delivery['beforeBody']>) => Delivery, RegExp]>([
    ['before the headers', (pause) => ({ beforeHeaders: pause }), /^$/],
    ['in the headers', (pause) => ({ inHeaders: pause }), /^HTTP\/1.1 200 OK\r\nconnection: close\r\n$/],
    ['before the body', (pause) => ({ beforeBody: pause }), /^HTTP\/1.1 200 OK\r\n[\s\S]+\r\n\r\n$/],
    ['in the body', (pause) => ({ drip: { bytes: 10_000, pause } }), /\r\n\r\n\{.{9999}$/],
  ])('a gate holds an answer %s', async (_, delivery, before) => {
    const gate = server.gate();
    server.script(picture(delivery(gate)));
    const { socket, received } = postRaw(small);
    let text = '';
    socket.on('data', (chunk) => {
      text += chunk.toString('latin1');
    });
    await gate.reached();
    // What was written before the gate is on its way.
    await expect.poll(() => text).toMatch(before);
    expect(server.calls[0]?.ending).toBe('open');
    gate.open();
    const [, body = ''] = (await received).text.split('\r\n\r\n');
    expect(JSON.parse(body)).toMatchObject({ size: '1024x640' });
    await server.ended(1);
    expect(server.calls[0]).toMatchObject({ ending: 'answered', status: 200 });
  });

  test('a gate lets as many pass as it is opened for, in their order', async () => {
    const gate = server.gate();
    server.always(openAiError('slow_down', { beforeHeaders: gate }));
    const done: number[] = [];
    const answers = [1, 2, 3].map(async (number) => {
      await server.until(() => gate.waiting === number - 1);
      await post(small);
      done.push(number);
    });
    await gate.reached(3);
    gate.release(2);
    await server.ended(2);
    expect(gate.waiting).toBe(1);
    gate.release(2);
    await Promise.all(answers);
    expect(done.toSorted()).toEqual([1, 2, 3]);
    expect(server.calls.map(({ number }) => number)).toEqual([1, 2, 3]);
    await post(small); // The second of the last two passes was left.
    const late = post(small);
    await gate.reached();
    gate.open();
    expect((await late).status).toBe(429);
  });

  test('milliseconds are waited for', async () => {
    server.script(picture({ beforeHeaders: 30, beforeBody: 30 }));
    await (await post(small)).text();
    await server.ended(1);
    const { receivedAt = 0, endedAt } = server.calls[0] ?? {};
    expect((endedAt ?? 0) - receivedAt).toBeGreaterThanOrEqual(58);
  });

  test('gzip is understood by the SDK', async () => {
    server.script(picture({ gzip: true }));
    const { data, response } = await client.images.generate(small).withResponse();
    expect(response.headers.get('content-encoding')).toBe('gzip');
    expect(data.size).toBe('1024x640');
  });

  test('a gzip bomb is small on the wire and large in memory', async () => {
    server.script(gzipBomb({ unpackedMegabytes: 16 }));
    const response = await post(small);
    expect(Number(response.headers.get('content-length'))).toBeLessThan(100_000);
    let unpacked = 0;
    for await (const chunk of response.body ?? []) unpacked += chunk.length;
    expect(unpacked).toBeGreaterThan(16 * 1024 * 1024);
  });

  test('a giant body flows as fast as it is read, and stops when it is not read', async () => {
    server.script(giantBody(), giantBody({ megabytes: 8 }));
    const leaving = new AbortController();
    const response = await post(small, { signal: leaving.signal });
    expect(response.headers.get('content-length')).toBeNull();
    const reader = response.body?.getReader();
    expect(Buffer.from((await reader?.read())?.value ?? []).toString()).toContain('"b64_json":"');
    leaving.abort();
    await server.abandoned(1);
    expect((await (await post(small)).text()).length).toBeGreaterThan(8 * 1024 * 1024);
  });
});

describe('the log', () => {
  test('tells what was sent, when, and how it ended', async () => {
    await client.images.generate({ ...small, quality: 'low' });
    await server.ended(1);
    const [call] = server.calls;
    expect(call).toMatchObject({
      number: 1,
      operation: 'generations',
      method: 'POST',
      path: '/v1/images/generations',
      headers: { authorization: `Bearer ${server.key}`, 'content-type': 'application/json' },
      body: { ...small, quality: 'low' },
      files: [],
      behaviour: 'picture',
      status: 200,
      ending: 'answered',
    });
    expect(call?.receivedAt).toBeLessThanOrEqual(call?.endedAt ?? 0);
    expect(Math.abs(Date.now() - (call?.receivedAt ?? 0))).toBeLessThan(LONGEST_WAIT_MS);
  });

  test('received gives the call, also after the fact', async () => {
    const second = server.received(2);
    await post({ ...small, prompt: 'first' });
    await post({ ...small, prompt: 'second' });
    expect((await second).body.prompt).toBe('second');
    expect((await server.received(1)).body.prompt).toBe('first');
  });

  test('a call that does not come whole is none', async () => {
    const socket = connect(Number(new URL(server.origin).port), '127.0.0.1');
    await once(socket, 'connect');
    const before = server.openSockets;
    socket.write('POST /v1/images/generations HTTP/1.1\r\nhost: a\r\ncontent-length: 100\r\n\r\n{"prompt":');
    socket.destroy();
    await server.until(() => server.openSockets < before);
    expect(server.calls).toHaveLength(0);
  });
});

describe('the end', () => {
  test('closing ends what is open and what waits', async () => {
    const own = await startOpenAiServer({ key: null, now: () => 1_790_000_000_000 });
    const gate = own.gate();
    own.script(picture({ beforeHeaders: gate }), hang());
    const init = { method: 'POST', body: JSON.stringify(small) };
    const answers = [1, 2].map(() => fetch(`${own.baseUrl}/images/generations`, init));
    await own.received(2);
    await gate.reached();
    const third = own.received(3);
    await own.close();
    await Promise.all(answers.map((one) => expect(one).rejects.toThrow()));
    await expect(third).rejects.toThrow('2 calls had come');
    await expect(own.received(3)).rejects.toThrow('closed');
    expect(own.calls.map(({ ending, endedAt }) => [ending, endedAt])).toEqual([
      ['server_closed', 1_790_000_000_000],
      ['server_closed', 1_790_000_000_000],
    ]);
    expect(own.openSockets).toBe(0);
    await expect(fetch(own.origin)).rejects.toThrow();
  });

  test('a port that is taken is an error', async () => {
    const port = Number(new URL(server.origin).port);
    await expect(startOpenAiServer({ port })).rejects.toMatchObject({ code: 'EADDRINUSE' });
  });

  test('a step that throws is reported to the client and to the test', async () => {
    const own = await startOpenAiServer({ key: null });
    own.script(() => {
      throw new Error('a mistake in the test');
    });
    const response = await fetch(`${own.baseUrl}/images/generations`, { method: 'POST', body: JSON.stringify(small) });
    expect([response.status, await response.json()]).toMatchObject([500, { error: { code: 'stand_in_failed' } }]);
    await expect(own.close()).rejects.toMatchObject({ errors: [{ message: 'a mistake in the test' }] });
  });

  test('by hand it prints its URL, answers, and ends with the signal', async () => {
    const child = spawn(process.execPath, [fileURLToPath(new URL('./server.ts', import.meta.url))]);
    const output = text(child.stdout);
    const [line] = (await once(child.stdout, 'data')) as [Buffer];
    const [, url, key] = /OPENAI_BASE_URL=(\S+) OPENAI_API_KEY=(\S+)/.exec(line.toString()) ?? [];
    const sdk = new OpenAI({ baseURL: url ?? '', apiKey: key ?? '', maxRetries: 0 });
    expect(await sdk.images.generate(small)).toMatchObject({ size: '1024x640' });
    child.kill('SIGTERM');
    expect(await once(child, 'exit')).toEqual([0, null]);
    expect(await output).toMatch(/POST \/v1\/images\/generations 200 picture, answered after \d+ ms/);
  });
});
