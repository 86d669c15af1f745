import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest';
import { createOpenAIProvider } from '../../../../src/adapters/providers/openai/provider.ts';
import { createTransport, type Transport } from '../../../../src/adapters/providers/transport.ts';
import { CATALOG, unlistedModel } from '../../../../src/core/models/catalog.ts';
import type { GeneratedPicture, GenerationCall } from '../../../../src/core/ports/provider.ts';
import { createGuardedFetch } from '../../../../src/security/ssrf-guard.ts';
import { answer, brokenAnswer, openAiError, picture } from '../../../support/openai/answers.ts';
import { type OpenAiServer, startOpenAiServer } from '../../../support/openai/server.ts';

let server: OpenAiServer;
let transport: Transport;
const guard = createGuardedFetch({ allow: [] });
beforeAll(async () => {
  server = await startOpenAiServer();
  transport = createTransport({ maxResponseBytes: 8 * 1024 * 1024 });
});
afterAll(async () => {
  await server.close();
  await transport.close();
  await guard.close();
});
beforeEach(() => server.reset());

const MODEL = CATALOG.get('gpt-image-2') ?? unlistedModel('gpt-image-2');
const CALL: GenerationCall = {
  model: MODEL,
  prompt: 'a lighthouse',
  size: { width: 1024, height: 1024 },
  quality: 'low',
  style: null,
  background: null,
  format: 'png',
};

const provider = (timeoutMs = 60_000) =>
  createOpenAIProvider({
    name: 'openai',
    apiKey: server.key ?? '',
    baseURL: server.baseUrl,
    azureApiVersion: null,
    model: (id) => CATALOG.get(id) ?? null,
    omit: [],
    controlSequences: [],
    timeoutMs,
    transport,
    guard,
    maxPictureBytes: 1024 * 1024,
    clock: { now: () => 0, sleep: async () => {} },
  });

/** Makes a call with a listener for partial pictures. */
async function watch(made = provider(), call = CALL, signal = new AbortController().signal) {
  const seen: { readonly bytes: Uint8Array; readonly index: number }[] = [];
  const generated = made.generate(call, { signal, onPartial: (bytes, index) => void seen.push({ bytes, index }) });
  return { seen, generated };
}

/** The picture without the request id, which differs in each call. */
const essence = ({ providerRequestId: _, ...rest }: GeneratedPicture) => rest;

test('streaming gives the same picture as a call without it, and partial pictures before', async () => {
  const plain = await provider().generate(CALL, { signal: new AbortController().signal });
  expect(server.calls[0]?.body).not.toHaveProperty('stream');

  const { seen, generated } = await watch();
  const streamed = await generated;
  expect(server.calls[1]?.body).toMatchObject({ stream: true, partial_images: 2 });
  // Each partial picture is billed.
  const output = (plain.usage?.output ?? Number.NaN) + 200;
  expect(essence(streamed)).toEqual(essence({ ...plain, usage: plain.usage && { ...plain.usage, output } }));
  expect(streamed.providerRequestId).toBe(server.calls[1]?.requestId);
  expect(seen.map(({ index }) => index)).toEqual([0, 1]);
  expect(seen.every(({ bytes }) => bytes[0] === 0x89 && bytes[1] === 0x50)).toBe(true);
});

test('streaming is not requested from a model without partial pictures', async () => {
  const { seen, generated } = await watch(provider(), { ...CALL, model: { ...MODEL, partialImages: 0 } });
  await generated;
  expect(server.calls[0]?.body).not.toHaveProperty('stream');
  expect(seen).toEqual([]);
});

test('a server that rejects streaming is asked without, from then on', async () => {
  server.script(
    openAiError('server_error', {
      status: 400,
      code: 'unknown_parameter',
      param: 'stream',
      message: 'Unknown: stream',
    }),
  );
  const made = provider();
  expect((await (await watch(made)).generated).httpStatus).toBe(200);
  await (await watch(made)).generated;
  expect(server.calls.map(({ body }) => body.stream)).toEqual([true, undefined, undefined]);
});

test('a plain JSON response to a streaming request is understood', async () => {
  const bytes = (await provider().generate(CALL, { signal: new AbortController().signal })).bytes;
  server.script(answer({ json: { data: [{ b64_json: Buffer.from(bytes).toString('base64') }] } }));
  const { seen, generated } = await watch();
  expect((await generated).bytes).toEqual(bytes);
  expect(seen).toEqual([]);
});

const event = (type: string, data: object) => `event: ${type}\ndata: ${JSON.stringify({ type, ...data })}\n\n`;
const stream = (...body: string[]) => answer({ type: 'text/event-stream', body });
const partial = event('image_generation.partial_image', { b64_json: 'AAAA', partial_image_index: 0 });

test.each([
  ['a refusal in mid-stream', picture({ streamError: 'moderation_blocked' }), 'refused', 'failed'],
  ['a rate limit in mid-stream', picture({ streamError: 'rate_limit_exceeded' }), 'rate_limited', 'failed'],
  ['no credit in mid-stream', picture({ streamError: 'insufficient_quota' }), 'account', 'failed'],
  ['a server error in mid-stream', picture({ streamError: 'server_error' }), 'interrupted', 'unknown'],
  ['an error without any detail', stream(partial, 'event: error\ndata: {}\n\n'), 'interrupted', 'unknown'],
  ['a stream that ends before the picture', stream(partial), 'interrupted', 'unknown'],
  ['an empty stream', stream(''), 'interrupted', 'unknown'],
  ['a stream that breaks off', picture({ cut: { after: { pieces: 1 }, by: 'reset' } }), 'interrupted', 'unknown'],
  ['a stream cut inside an event', picture({ cut: { after: { bytes: 5_000 }, by: 'end' } }), null, 'unknown'],
  ['an event that is not JSON', stream('data: {"b64\n\n'), 'empty', 'unknown'],
  ['a final event without a picture', stream(event('image_generation.completed', {})), 'empty', 'unknown'],
  [
    'a final picture in broken base64',
    stream(event('image_generation.completed', { b64_json: '%%%' })),
    'empty',
    'unknown',
  ],
  ['plain JSON without a picture', brokenAnswer('empty data'), 'empty', 'unknown'],
  ['an outage before the stream', openAiError('server_error'), 'overloaded', 'failed'],
  ['more bytes than the limit', stream(partial, `data: "${'A'.repeat(9 * 1024 * 1024)}"\n\n`), 'empty', 'unknown'],
] as const)('%s has its fault and outcome', async (_, behaviour, fault, outcome) => {
  server.script(behaviour);
  const { generated } = await watch();
  const error = await generated.catch((reason: unknown) => reason);
  expect(error).toMatchObject({ name: 'ProviderError', outcome, ...(fault && { fault }) });
  expect(server.calls).toHaveLength(1);
});

test('malformed and unknown events are ignored', async () => {
  const { bytes } = await provider().generate(CALL, { signal: new AbortController().signal });
  server.script(
    stream(
      ': a comment\n\n',
      'data: null\n\n',
      'data: []\n\n',
      event('image_generation.partial_image', { b64_json: 7, partial_image_index: 0 }),
      event('image_generation.partial_image', { b64_json: '%', partial_image_index: 0 }),
      event('image_generation.partial_image', { b64_json: 'AAAA', partial_image_index: 'x' }),
      event('image_generation.queued', {}),
      event('image_generation.completed', { b64_json: Buffer.from(bytes).toString('base64') }),
    ),
  );
  const { seen, generated } = await watch();
  expect(await generated).toMatchObject({ bytes, usage: null });
  expect(seen).toEqual([]);
});

test.each([
  ['cancellation', 60_000, 'cancelled', 'cancelled'],
  ['the timeout', 300, 'timeout', 'unknown'],
] as const)('%s aborts the stream and frees the socket', async (_, timeoutMs, fault, outcome) => {
  server.script(picture({ cut: { after: { pieces: 1 }, by: 'hang' } }));
  const controller = new AbortController();
  const { seen, generated } = await watch(provider(timeoutMs), CALL, controller.signal);
  const failed = generated.catch((reason: unknown) => reason);
  if (fault === 'cancelled') {
    await expect.poll(() => seen.length, { timeout: 5_000 }).toBe(1);
    controller.abort();
  }
  expect(await failed).toMatchObject({ fault, outcome });
  await server.abandoned(1);
});
