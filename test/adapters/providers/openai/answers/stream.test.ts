import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest';
import { classifyEvent } from '../../../../../src/adapters/providers/openai/answers/stream.ts';
import type { GeneratedPicture } from '../../../../../src/core/ports/provider.ts';
import { callOptions, pictureIn } from '../../../../support/generation.ts';
import { CALL, type OpenAiAdapter, startOpenAiAdapter } from '../../../../support/openai/adapter.ts';
import { answer, brokenAnswer, openAiError, picture, vllmError } from '../../../../support/openai/answers.ts';
import type { OpenAiServer } from '../../../../support/openai/server.ts';

let adapter: OpenAiAdapter;
let server: OpenAiServer;
let provider: OpenAiAdapter['provider'];

beforeAll(async () => {
  adapter = await startOpenAiAdapter();
  ({ server, provider } = adapter);
});
afterAll(() => adapter[Symbol.asyncDispose]());
beforeEach(() => server.reset());

const STREAMED = { ...CALL, partialImages: 2 };

/** Makes a call that streams, with a listener for partial pictures. */
function watch(made = provider(), call = STREAMED, options = callOptions()) {
  const seen: { readonly bytes: Uint8Array; readonly index: number }[] = [];
  const onPartial = (bytes: Uint8Array, index: number) => void seen.push({ bytes, index });
  return { seen, generated: made.generate(call, { ...options, onPartial }).then(pictureIn) };
}

/** The picture of a call without streaming. */
const plainPicture = async () => pictureIn(await provider().generate(CALL, callOptions()));

/** The picture without the request id, which differs in each call. */
const essence = ({ providerRequestId: _, ...rest }: GeneratedPicture) => rest;

test('streaming gives the same picture as a call without it, and partial pictures before', async () => {
  const plain = await plainPicture();
  expect(server.calls[0]?.body).not.toHaveProperty('stream');

  const { seen, generated } = watch();
  const streamed = await generated;
  expect(server.calls[1]?.body).toMatchObject({ stream: true, partial_images: 2 });
  // Each partial picture is billed.
  const output = (plain.usage?.output ?? Number.NaN) + 200;
  expect(essence(streamed)).toEqual(essence({ ...plain, usage: plain.usage && { ...plain.usage, output } }));
  expect(streamed.providerRequestId).toBe(server.calls[1]?.requestId);
  expect(seen.map(({ index }) => index)).toEqual([0, 1]);
  expect(seen.every(({ bytes }) => bytes[0] === 0x89 && bytes[1] === 0x50)).toBe(true);
});

test('as many partial pictures are requested as the call says, and no streaming for none', async () => {
  for (const partialImages of [3, 1, 0]) await watch(provider(), { ...CALL, partialImages }).generated;
  expect(server.calls.map(({ body }) => [body.stream, body.partial_images])).toEqual([
    [true, 3],
    [true, 1],
    [undefined, undefined],
  ]);
});

const refused = (param: string, message: string) =>
  openAiError('server_error', {
    status: 400,
    type: 'invalid_request_error',
    code: 'unknown_parameter',
    param,
    message,
  });
const invalid = (...loc: readonly unknown[]) => vllmError(422, [{ loc, msg: 'extra fields not permitted' }]);

test.each([
  ['OpenAI names the parameter', refused('stream', "Unknown parameter: 'stream'.")],
  ['OpenAI names the number of partial pictures', refused('partial_images', 'Too many.')],
  ['the status is 422', openAiError('server_error', { status: 422, param: 'stream', type: 'invalid_request_error' })],
  ['FastAPI names the parameter', invalid('body', 'stream')],
  [
    'it comes as a 200',
    openAiError('server_error', { status: 200, type: 'invalid_request_error', code: null, param: 'stream' }),
  ],
])('a refusal to stream is a fault of its own, and no later call asks for it: %s', async (_, behaviour) => {
  server.script(behaviour);
  const made = provider();
  await expect(watch(made).generated).rejects.toMatchObject({ fault: 'parameter_refused', outcome: 'failed' });
  expect(server.calls).toHaveLength(1);
  await watch(made).generated;
  expect(server.calls.map(({ body }) => body.stream)).toEqual([true, undefined]);
});

test.each([
  ['the message alone holds the word', refused('prompt', 'Invalid prompt: stream.'), 'rejected'],
  ['the prompt is refused', openAiError('moderation_blocked', { message: 'A stream of blood.' }), 'refused'],
  ['the parameter only begins like it', refused('stream_options', 'Unknown.'), 'rejected'],
  ['the parameter lies deeper', refused('extra.stream', 'Unknown.'), 'rejected'],
  ['another parameter is invalid', invalid('body', 'stream', 'size'), 'rejected'],
  ['the status is another', openAiError('model_not_found', { param: 'stream' }), 'rejected'],
])('any other refusal says nothing against streaming: %s', async (_, behaviour, fault) => {
  server.script(behaviour);
  const made = provider();
  await expect(watch(made).generated).rejects.toMatchObject({ fault });
  await watch(made).generated;
  expect(server.calls.map(({ body }) => body.stream)).toEqual([true, true]);
});

test('a call that did not ask for streaming is not refused for it', async () => {
  server.script(refused('stream', 'Unknown parameter.'));
  await expect(provider().generate(CALL, callOptions())).rejects.toMatchObject({ fault: 'rejected' });
});

test('a plain JSON response to a streaming request is understood', async () => {
  const { bytes } = await plainPicture();
  server.script(answer({ json: { data: [{ b64_json: Buffer.from(bytes).toString('base64') }] } }));
  const { seen, generated } = watch();
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
  ['an event that is not JSON', stream('data: {"b64\n\n'), 'interrupted', 'unknown'],
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
  const { generated } = watch();
  const error = await generated.catch((reason: unknown) => reason);
  expect(error).toMatchObject({ name: 'ProviderError', outcome, ...(fault && { fault }) });
  expect(server.calls).toHaveLength(1);
});

test('malformed and unknown events are ignored', async () => {
  const { bytes } = await plainPicture();
  server.script(
    stream(
      ': a comment\n\n',
      'data: null\n\n',
      'data: []\n\n',
      event('image_generation.partial_image', { b64_json: 7, partial_image_index: 0 }),
      event('image_generation.partial_image', { b64_json: '%', partial_image_index: 0 }),
      event('image_generation.partial_image', { b64_json: 'AAAA', partial_image_index: 'x' }),
      event('image_generation.queued', {}),
      'data: {"b64_json":"AAAA","partial_image_index":0}\n\n',
      'event: preview\ndata: {"b64_json":"AAAA"}\n\n',
      event('image_generation.completed', { b64_json: Buffer.from(bytes).toString('base64') }),
    ),
  );
  const { seen, generated } = watch();
  expect(await generated).toMatchObject({ bytes, usage: null });
  expect(seen).toEqual([]);
});

const base64 = async () => Buffer.from((await plainPicture()).bytes).toString('base64');
const USAGE = { input_tokens: 3, output_tokens: 196 };

test.each<[string, (b64_json: string) => string[]]>([
  ['keepalive events without data', (b64_json) => ['event: keepalive\n\n', completed(b64_json)]],
  ['keepalive events with empty data', (b64_json) => ['event: keepalive\ndata:\n\n', completed(b64_json)]],
  ['comments', (b64_json) => [': stay\n\n', ':\n\n', completed(b64_json)]],
  ['a comment with a quote', (b64_json) => [`: don't "stop\n\n`, completed(b64_json)]],
  ['a byte order mark', (b64_json) => ['\ufeff', completed(b64_json)]],
  ['an unknown event', (b64_json) => [event('image_generation.queued', { data: [7] }), completed(b64_json)]],
  ['an event of another vendor', (b64_json) => ['event: progress\ndata: {"progress":0.5}\n\n', completed(b64_json)]],
  ['lines that end in CR LF', (b64_json) => [completed(b64_json).replaceAll('\n', '\r\n')]],
  ['lines that end in CR', (b64_json) => [completed(b64_json).replaceAll('\n', '\r')]],
  [
    'data over several lines',
    (b64_json) => [
      `data: {"type":"image_generation.completed",\ndata: "b64_json":"${b64_json}","usage":${JSON.stringify(USAGE)}}\n\n`,
    ],
  ],
  [
    'a final event named by the stream alone',
    (b64_json) => [`event: image_generation.completed\ndata: ${JSON.stringify({ b64_json, usage: USAGE })}\n\n`],
  ],
  [
    'a final event whose own type is empty',
    (b64_json) => [
      `event: image_generation.completed\ndata: ${JSON.stringify({ type: '', b64_json, usage: USAGE })}\n\n`,
    ],
  ],
  ['the final event of an edit', (b64_json) => [event('image_edit.completed', { b64_json, usage: USAGE })]],
  [
    'a last event like the plain answer',
    (b64_json) => [`data: ${JSON.stringify({ data: [{ b64_json }], usage: USAGE })}\n\n`],
  ],
  [
    'a last event like a picture of the plain answer',
    (b64_json) => [`data: ${JSON.stringify({ b64_json, usage: USAGE })}\n\n`],
  ],
  [
    'an end mark',
    (b64_json) => [`data: ${JSON.stringify({ data: [{ b64_json }], usage: USAGE })}\n\n`, 'data: [DONE]\n\n'],
  ],
  ['no blank line at the end', (b64_json) => [completed(b64_json).trimEnd()]],
  [
    'an empty error beside the picture',
    (b64_json) => [event('image_generation.completed', { b64_json, usage: USAGE, error: null })],
  ],
])('a stream with %s gives its picture', async (_, body) => {
  const expected = await base64();
  for (const type of ['text/event-stream', 'Text/Event-Stream; Charset=UTF-8', 'application/octet-stream']) {
    server.script(answer({ type, body: body(expected) }));
    const { bytes, usage } = await watch().generated;
    expect(Buffer.from(bytes).toString('base64') === expected).toBe(true);
    expect(usage).toMatchObject({ textInput: 3, output: 196 });
  }
});

const completed = (b64_json: string) => event('image_generation.completed', { b64_json, usage: USAGE });

test('the partial pictures of an edit, and of a stream that names them in its lines alone, are passed on', async () => {
  const b64_json = await base64();
  server.script(
    stream(
      event('image_edit.partial_image', { b64_json: 'AAAA', partial_image_index: 0 }),
      'event: image_generation.partial_image\ndata: {"b64_json":"AAAA","partial_image_index":1}\n\n',
      completed(b64_json),
    ),
  );
  const { seen, generated } = watch();
  await generated;
  expect(seen.map(({ index }) => index)).toEqual([0, 1]);
});

test('a stream whose last event names a URL gives the address', async () => {
  const url = 'https://example.com/1.png';
  server.script(stream(partial, event('image_generation.completed', { b64_json: '', url, usage: USAGE })));
  const generated = await provider().generate(STREAMED, callOptions());
  expect(generated).toMatchObject({ url, usage: { output: 196 }, providerRequestId: server.calls[0]?.requestId });
});

test('a whole picture is taken though the connection breaks behind it', async () => {
  const b64_json = await base64();
  const body = completed(b64_json).trimEnd();
  server.script(answer({ type: 'text/event-stream', body: [body, 'x'], cut: { after: { pieces: 1 }, by: 'close' } }));
  expect(Buffer.from((await watch().generated).bytes).toString('base64') === b64_json).toBe(true);
});

test.each([
  ['being abandoned', 60_000, 'cancelled', 'cancelled'],
  ['the timeout', 300, 'timeout', 'unknown'],
] as const)('%s aborts the stream and frees the socket', async (_, timeoutMs, fault, outcome) => {
  server.script(picture({ cut: { after: { pieces: 1 }, by: 'hang' } }));
  const controller = new AbortController();
  const options = callOptions({ abandoned: controller.signal });
  const { seen, generated } = watch(provider({ timeoutMs }), STREAMED, options);
  const failed = generated.catch((reason: unknown) => reason);
  if (fault === 'cancelled') {
    await expect.poll(() => seen.length).toBe(1);
    controller.abort();
  }
  expect(await failed).toMatchObject({ fault, outcome });
  await server.abandoned(1);
});

test.each<[string, unknown, string | null, object]>([
  ['the final picture by its type', { type: 'image_generation.completed' }, null, { kind: 'final' }],
  ['the final picture by its name', { b64_json: 'AQID' }, 'image_edit.completed', { kind: 'final' }],
  ['a plain answer', { data: [{ url: 'https://example.com/1.png' }] }, null, { kind: 'final' }],
  ['a plain picture', { b64_json: 'AQID' }, null, { kind: 'final' }],
  [
    'a partial picture',
    { b64_json: 'AQID', partial_image_index: 1 },
    'image_generation.partial_image',
    { kind: 'partial', base64: 'AQID', index: 1 },
  ],
  ['a partial picture without bytes', { partial_image_index: 1 }, 'image_generation.partial_image', { kind: 'other' }],
  ['an error by its name', { message: 'no' }, 'error', { kind: 'error', error: { message: 'no' } }],
  ['an error inside', { error: { message: 'no' } }, null, { kind: 'error', error: { message: 'no' } }],
  ['an unknown event', { b64_json: 'AQID' }, 'image_generation.queued', { kind: 'other' }],
  ['no object', [{ b64_json: 'AQID' }], null, { kind: 'other' }],
  ['nothing', undefined, 'image_generation.completed', { kind: 'other' }],
])('classifyEvent: %s', (_, value, name, expected) => {
  const final = 'kind' in expected && expected.kind === 'final';
  expect(classifyEvent(value, name)).toMatchObject(final ? { ...expected, value } : expected);
});
