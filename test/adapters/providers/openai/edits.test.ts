import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import type { Input } from '../../../../src/core/domain/input.ts';
import type { OmittableParameter } from '../../../../src/core/domain/model.ts';
import type { CallOptions } from '../../../../src/core/domain/request.ts';
import { CATALOG } from '../../../../src/core/models/catalog.ts';
import type { GenerationCall, Provider } from '../../../../src/core/ports/provider.ts';
import { bytesOf, colouredInput, type StoredInput } from '../../../support/edit-inputs.ts';
import { callOptions, pictureIn } from '../../../support/generation.ts';
import { CALL, type OpenAiAdapter, startOpenAiAdapter } from '../../../support/openai/adapter.ts';
import { answer, azureError, openAiError, picture, textError, vllmError } from '../../../support/openai/answers.ts';
import type { OpenAiServer } from '../../../support/openai/server.ts';

let adapter: OpenAiAdapter;
let server: OpenAiServer;
let provider: OpenAiAdapter['provider'];
let red: StoredInput;
let green: StoredInput;
let blue: StoredInput;
let mask: StoredInput;

beforeAll(async () => {
  adapter = await startOpenAiAdapter();
  ({ server, provider } = adapter);
  red = await colouredInput({ r: 200, g: 20, b: 20 });
  green = await colouredInput({ r: 20, g: 200, b: 20 }, { format: 'jpeg' });
  blue = await colouredInput({ r: 20, g: 20, b: 200 }, { format: 'webp' });
  mask = await colouredInput({ r: 0, g: 0, b: 0, alpha: 0 });
});
afterAll(() => adapter[Symbol.asyncDispose]());
beforeEach(() => {
  server.reset();
  server.edits = true;
  server.refuses = [];
});

/** A call that starts from these pictures. */
const editOf = (inputs: readonly Input[], some: Partial<GenerationCall> = {}, masked: Input | null = null) => ({
  ...CALL,
  edit: { inputs, mask: masked },
  ...some,
});

/** An edit of the red picture. */
const edit = (made: Provider, some: Partial<GenerationCall> = {}, options = callOptions()) =>
  made.generate(editOf([red.input], some), { ...options, inputBytes: bytesOf(red) }).then(pictureIn);

const plain = (made: Provider, some: Partial<GenerationCall> = {}) =>
  made.generate({ ...CALL, ...some }, callOptions()).then(pictureIn);

describe('an edit', () => {
  test('sends its pictures as they came, in order, with the mask and the parameters', async () => {
    const call = editOf([green.input, red.input, blue.input, red.input], { quality: 'medium' }, mask.input);
    const made = await provider().generate(call, callOptions({ inputBytes: bytesOf(red, green, blue, mask) }));
    expect(pictureIn(made).usage?.imageInput).toBeGreaterThan(0);
    const [sent] = server.calls;
    expect(sent).toMatchObject({ operation: 'edits', path: '/v1/images/edits', status: 200 });
    expect(sent?.headers['content-length']).toMatch(/^\d+$/);
    expect(sent?.body).toEqual({
      model: 'gpt-image-2',
      prompt: 'a lighthouse',
      size: '1024x1024',
      n: 1,
      quality: 'medium',
      background: 'auto',
      output_format: 'png',
    });
    const files = (sent?.files ?? []).map(({ field, filename, contentType, sha256 }) => [
      field,
      filename,
      contentType,
      sha256,
    ]);
    expect(files.filter(([field]) => field === 'image[]')).toEqual([
      ['image[]', 'image-1.jpg', 'image/jpeg', green.input.sha256],
      ['image[]', 'image-2.png', 'image/png', red.input.sha256],
      ['image[]', 'image-3.webp', 'image/webp', blue.input.sha256],
      ['image[]', 'image-4.png', 'image/png', red.input.sha256],
    ]);
    expect(files.filter(([field]) => field !== 'image[]')).toEqual([
      ['mask', 'mask.png', 'image/png', mask.input.sha256],
    ]);
  });

  test('of one picture sends it as `image`, which servers for one picture expect', async () => {
    await edit(provider());
    expect(server.calls[0]?.files.map(({ field }) => field)).toEqual(['image']);
  });

  test('streams with events of its own', async () => {
    const seen: number[] = [];
    const options = callOptions({ onPartial: (_bytes, index) => void seen.push(index) });
    const streamed = await edit(provider(), { partialImages: 2 }, options);
    expect(seen).toEqual([0, 1]);
    expect(Buffer.compare(streamed.bytes, (await edit(provider())).bytes)).toBe(0);
    expect(server.calls[0]?.body).toMatchObject({ stream: true, partial_images: 2 });
  });

  test('is ended by its signal, and sends nothing where that fired before', async () => {
    const before = callOptions({ cancelled: AbortSignal.abort() });
    await expect(edit(provider(), {}, before)).rejects.toMatchObject({ fault: 'cancelled' });
    expect(server.calls).toEqual([]);
    const gate = server.gate();
    server.script(picture({ beforeHeaders: gate }));
    const controller = new AbortController();
    const made = edit(provider(), {}, callOptions({ cancelled: controller.signal }));
    await gate.reached();
    controller.abort();
    await expect(made).rejects.toMatchObject({ fault: 'cancelled' });
    await server.abandoned(1);
  });

  test.each([
    [openAiError('moderation_blocked'), 'refused', 'failed'],
    [openAiError('server_error'), 'overloaded', 'failed'],
    [openAiError('server_error', { status: 504 }), 'gateway', 'unknown'],
    [openAiError('rate_limit_exceeded'), 'rate_limited', 'failed'],
    [picture({ cut: { after: 'headers', by: 'reset' } }), 'interrupted', 'unknown'],
  ])('ends in the same faults as a picture from a prompt alone', async (behaviour, fault, outcome) => {
    server.script(behaviour);
    await expect(edit(provider())).rejects.toMatchObject({ fault, outcome });
  });

  test('whose bytes are missing is not sent', async () => {
    const call = provider().generate(editOf([red.input]), callOptions({ inputBytes: bytesOf(green) }));
    await expect(call).rejects.toMatchObject({ fault: 'rejected', outcome: 'failed' });
    expect(server.calls).toEqual([]);
  });
});

describe('options', () => {
  const sentWith = async (options: CallOptions, some: Partial<GenerationCall> = {}) => {
    await (some.edit ? edit(provider(), { ...some, options }) : plain(provider(), { ...some, options }));
    return server.calls.at(-1)?.body;
  };

  test('are sent under the names of the API', async () => {
    const options = { moderation: 'low', compression: 70, safetyIdentifier: 'user-1' } as const;
    expect(await sentWith(options, { format: 'jpeg' })).toMatchObject({
      moderation: 'low',
      output_compression: 70,
      safety_identifier: 'user-1',
    });
    const model = CATALOG.get('gpt-image-1.5') ?? CALL.model;
    expect(await sentWith({ inputFidelity: 'high' }, editOf([red.input], { model }))).toMatchObject({
      input_fidelity: 'high',
    });
  });

  test('that the server is known to lack are not sent, and its models do not have them', async () => {
    const made = provider({ omit: ['moderation', 'output_compression'] });
    await plain(made, { format: 'jpeg', options: { moderation: 'low', compression: 70, safetyIdentifier: 'a' } });
    expect(server.calls[0]?.body).toMatchObject({ safety_identifier: 'a' });
    expect(Object.keys(server.calls[0]?.body ?? {})).not.toContain('moderation');
    expect(Object.keys(server.calls[0]?.body ?? {})).not.toContain('output_compression');
    // What cannot be planned is not sent without a word.
    expect(provider().model('gpt-image-2')?.options).toEqual(['moderation', 'compression', 'safetyIdentifier']);
  });
});

describe('a server without an endpoint for edits', () => {
  const unknownUrl = openAiError('model_not_found', { code: null, param: null, message: 'Invalid URL' });
  test.each([
    ['404 as OpenAI words it', unknownUrl],
    ['404 as FastAPI words it', vllmError(404, 'Not Found')],
    ['404 as plain text', textError(404, '404 page not found')],
    ['405', textError(405, 'Method Not Allowed')],
    ['501 in its own words', answer({ status: 501, json: { error: { message: 'edits are not implemented' } } })],
    ['501 of a gateway', textError(501, 'Not Implemented')],
  ])('is known by its first refusal, and is not asked again: %s', async (_, behaviour) => {
    server.script(behaviour);
    const made = provider();
    expect(made.model('gpt-image-2')?.edits).toMatchObject({ images: 16 });
    const refusal = { fault: 'edits_refused', outcome: 'failed' };
    await expect(edit(made)).rejects.toMatchObject(refusal);
    expect(made.model('gpt-image-2')?.edits).toBeNull();
    await expect(edit(made)).rejects.toMatchObject(refusal);
    expect(server.calls).toHaveLength(1);
    expect((await plain(made)).httpStatus).toBe(200);
  });

  test.each([
    ['the model is unknown', openAiError('model_not_found', { param: 'model' })],
    ['Azure has no such deployment', azureError('deploymentNotFound')],
    ['the model is named as the parameter', vllmError(404, [{ loc: ['body', 'model'], msg: 'unknown' }])],
    ['another status', textError(400, 'no')],
  ])('is not one where %s', async (_, behaviour) => {
    server.script(behaviour);
    const made = provider();
    await expect(edit(made)).rejects.toMatchObject({ fault: 'rejected' });
    await edit(made);
  });

  test('is not one that answers a picture from a prompt alone with 404', async () => {
    server.script(textError(404, 'Not Found'));
    const made = provider();
    await expect(plain(made)).rejects.toMatchObject({ fault: 'rejected' });
    await edit(made);
  });

  test('is asked again after an hour', async () => {
    let now = 5;
    const made = provider({ clock: { now: Date.now, monotonic: () => now } });
    server.edits = false;
    await expect(edit(made)).rejects.toMatchObject({ fault: 'edits_refused' });
    server.edits = true;
    now += 3_599_999;
    await expect(edit(made)).rejects.toMatchObject({ fault: 'edits_refused' });
    now += 1;
    expect((await edit(made)).httpStatus).toBe(200);
  });

  test('is known by its setting, too', () => {
    expect(provider({ edits: false }).model('gpt-image-2')?.edits).toBeNull();
  });
});

describe('a parameter that the server does not know', () => {
  test.each<[OmittableParameter, Partial<GenerationCall>]>([
    ['n', {}],
    ['output_format', {}],
    ['output_compression', { format: 'jpeg', options: { compression: 50 } }],
    ['moderation', { options: { moderation: 'low' } }],
    ['safety_identifier', { options: { safetyIdentifier: 'a' } }],
  ])('is left out from its first refusal on: %s', async (parameter, call) => {
    server.refuses = [parameter];
    const made = provider();
    await expect(plain(made, call)).rejects.toMatchObject({ fault: 'parameter_refused', outcome: 'failed', parameter });
    await plain(made, call);
    await plain(made, call);
    expect(server.calls.map(({ status }) => status)).toEqual([400, 200, 200]);
    const options = made.model('gpt-image-2')?.options ?? [];
    const isOption = call.options !== undefined;
    expect(options).toHaveLength(isOption ? 2 : 3);
  });

  test.each<OmittableParameter>(['quality', 'size', 'background'])(
    'is no reason to make another picture: %s',
    async (parameter) => {
      server.refuses = [parameter];
      const made = provider();
      for (const _ of [1, 2]) await expect(plain(made)).rejects.toMatchObject({ fault: 'rejected', parameter: null });
    },
  );

  test('is another matter than one of which it does not take the value', async () => {
    server.script(openAiError('server_error', { status: 400, code: 'invalid_value', param: 'n' }));
    await expect(plain(provider())).rejects.toMatchObject({ fault: 'rejected' });
  });

  test('nor one that was not sent', async () => {
    server.script(openAiError('server_error', { status: 400, code: 'unknown_parameter', param: 'moderation' }));
    await expect(plain(provider())).rejects.toMatchObject({ fault: 'rejected' });
  });
});

test('a server that is known not to stream is not asked to', async () => {
  const made = provider({ streaming: false });
  expect(made.model('gpt-image-2')?.partialImages).toBe(0);
  await plain(made, { partialImages: 2 });
  expect(server.calls[0]?.body).not.toHaveProperty('stream');
});
