import OpenAI, { toFile } from 'openai';
import OpenAI6 from 'openai-6';
import { describe, expect, test } from 'vitest';
import { openAiError } from '../../../src/api/openai/errors.ts';
import type { CreateImage } from '../../../src/core/domain/request.ts';
import type { CallIdentity, Calls } from '../../../src/core/images/calls.ts';
import { createFakeCalls } from '../../support/app/fake-calls.ts';
import { openHttpApp } from '../../support/app/http-app.ts';

// What an edit is translated to. `Calls` is replaced: it notes what it is given and refuses it.

interface Submitted {
  readonly create: CreateImage;
  readonly count: number;
  readonly identity: CallIdentity;
}

async function openScene() {
  const submitted: Submitted[] = [];
  const calls: Calls = {
    ...createFakeCalls(),
    submit(create, count, _caller, identity) {
      // The bytes of a form are given back once the call is submitted.
      const inputs = create.inputs?.map((input) =>
        'bytes' in input ? { ...input, bytes: Buffer.from(input.bytes) } : input,
      );
      submitted.push({ create: { ...create, inputs }, count, identity });
      return Promise.reject(new Error('enough is known'));
    },
  };
  const http = await openHttpApp({ calls });
  const url = `http://127.0.0.1:${http.port}`;
  return { submitted, url, [Symbol.asyncDispose]: () => http[Symbol.asyncDispose]() };
}

const ONE = Buffer.from('the first picture');
const TWO = Buffer.from('the second picture');

async function sendForm(url: string, parts: readonly (readonly [string, string | Buffer])[]): Promise<Response> {
  const form = new FormData();
  for (const [name, value] of parts) {
    if (typeof value === 'string') form.append(name, value);
    else form.append(name, new Blob([new Uint8Array(value)]), 'a.png');
  }
  return await fetch(`${url}/v1/images/edits`, { method: 'POST', body: form });
}

async function sendJson(url: string, body: object): Promise<Response> {
  const headers = { 'content-type': 'application/json' };
  return await fetch(`${url}/v1/images/edits`, { method: 'POST', headers, body: JSON.stringify(body) });
}

describe('POST /v1/images/edits', () => {
  test.each([
    ['openai 7', OpenAI],
    ['openai 6', OpenAI6 as unknown as typeof OpenAI],
  ] as const)('takes the form of %s', async (_name, Client) => {
    await using scene = await openScene();
    const client = new Client({ baseURL: `${scene.url}/v1`, apiKey: 'none', maxRetries: 0 });
    const edit = client.images.edit({
      prompt: 'the same at night',
      image: [await toFile(ONE, 'one.png'), await toFile(TWO, 'two.png')],
      mask: await toFile(Buffer.from('mask'), 'mask.png'),
      n: 2,
      size: '1024x1024',
      output_compression: 80,
      output_format: 'webp',
      input_fidelity: 'high',
    });
    await expect(edit).rejects.toBeInstanceOf(Client.APIError);
    expect(scene.submitted).toEqual([
      {
        count: 2,
        identity: { digest: expect.stringMatching(/^[0-9a-f]{64}$/), idempotencyKey: null, retryCount: 0 },
        create: expect.objectContaining({
          prompt: 'the same at night',
          size: { width: 1024, height: 1024 },
          format: 'webp',
          renditions: [],
          options: { compression: 80, inputFidelity: 'high' },
          inputs: [
            { file: 'image.0', bytes: ONE },
            { file: 'image.1', bytes: TWO },
          ],
          mask: expect.objectContaining({ file: 'mask' }),
        }),
      },
    ]);
  });

  test.each([
    [
      'image',
      [
        ['prompt', 'a'],
        ['image', ONE],
      ],
      [ONE],
    ],
    [
      'image, repeated, before the prompt',
      [
        ['image', ONE],
        ['image', TWO],
        ['prompt', 'a'],
      ],
      [ONE, TWO],
    ],
    [
      'image[]',
      [
        ['image[]', ONE],
        ['prompt', 'a'],
        ['image[]', TWO],
      ],
      [ONE, TWO],
    ],
    [
      'image[0], by its number',
      [
        ['image[1]', TWO],
        ['prompt', 'a'],
        ['image[0]', ONE],
      ],
      [ONE, TWO],
    ],
  ] as const)('takes pictures as %s', async (_name, parts, expected) => {
    await using scene = await openScene();
    await sendForm(scene.url, parts);
    expect(scene.submitted[0]?.create.inputs?.map((input) => ('bytes' in input ? input.bytes : null))).toEqual(
      expected,
    );
  });

  test('takes JSON with addresses and data URLs', async () => {
    await using scene = await openScene();
    await sendJson(scene.url, {
      prompt: 'a',
      images: [
        { image_url: 'https://example.com/a.png' },
        { image_url: `data:image/png;base64,${ONE.toString('base64')}` },
      ],
      mask: { image_url: 'https://example.com/mask.png' },
    });
    expect(scene.submitted[0]?.create).toMatchObject({
      inputs: [{ url: 'https://example.com/a.png' }, { file: 'images.1.image_url', bytes: ONE }],
      mask: { url: 'https://example.com/mask.png' },
    });
  });

  test('is the same call whatever the boundary, the file names and the order of the fields', async () => {
    await using scene = await openScene();
    await sendForm(scene.url, [
      ['prompt', 'a'],
      ['n', '1'],
      ['image', ONE],
    ]);
    await sendForm(scene.url, [
      ['image', ONE],
      ['n', '1'],
      ['prompt', 'a'],
    ]);
    await sendForm(scene.url, [
      ['image', TWO],
      ['n', '1'],
      ['prompt', 'a'],
    ]);
    await sendJson(scene.url, { prompt: 'a', images: [{ image_url: 'https://example.com/a' }], n: 1 });
    await sendJson(scene.url, { n: 1, images: [{ image_url: 'https://example.com/a' }], prompt: 'a' });
    const [one, again, other, json, jsonAgain] = scene.submitted.map(({ identity }) => identity.digest);
    expect([one, json]).toEqual([again, jsonAgain]);
    expect(new Set([one, other, json]).size).toBe(3);
  });

  test.each([
    ['no picture', { prompt: 'a' }, 'images'],
    ['a file_id', { prompt: 'a', images: [{ file_id: 'file-1' }] }, 'images.0.file_id'],
    ['a picture without an address', { prompt: 'a', images: [{}] }, 'images.0.image_url'],
    [
      'a data URL that is not base64',
      { prompt: 'a', images: [{ image_url: 'data:image/svg+xml,<svg/>' }] },
      'images.0.image_url',
    ],
  ])('refuses JSON with %s', async (_name, body, param) => {
    await using scene = await openScene();
    const response = await sendJson(scene.url, body);
    expect(response.status).toBe(400);
    expect(openAiError.parse(await response.json()).error).toMatchObject({ param, type: 'invalid_request_error' });
    expect(scene.submitted).toEqual([]);
  });

  test.each([
    [
      'a number that is none',
      [
        ['prompt', 'a'],
        ['n', 'two'],
        ['image', ONE],
      ],
      'n',
    ],
    [
      'a picture as text',
      [
        ['prompt', 'a'],
        ['image', 'https://example.com/a.png'],
      ],
      'image',
    ],
    [
      'another file',
      [
        ['prompt', 'a'],
        ['image', ONE],
        ['sketch', TWO],
      ],
      'sketch',
    ],
    [
      'two masks',
      [
        ['prompt', 'a'],
        ['image', ONE],
        ['mask', ONE],
        ['mask', TWO],
      ],
      'mask',
    ],
  ] as const)('refuses a form with %s', async (_name, parts, param) => {
    await using scene = await openScene();
    const response = await sendForm(scene.url, parts);
    expect(response.status).toBe(400);
    expect(openAiError.parse(await response.json()).error.param).toBe(param);
    expect(scene.submitted).toEqual([]);
  });

  test('takes JSON of up to 32 MiB, and says so of more', async () => {
    await using scene = await openScene();
    const withPicture = (bytes: number) => ({
      prompt: 'a',
      images: [{ image_url: `data:image/png;base64,${Buffer.alloc(bytes).toString('base64')}` }],
    });
    await sendJson(scene.url, withPicture(2 * 1024 ** 2));
    expect(scene.submitted).toHaveLength(1);
    const response = await sendJson(scene.url, withPicture(25 * 1024 ** 2));
    expect(response.status).toBe(413);
    expect(openAiError.parse(await response.json()).error.message).toContain('32 MiB');
  });

  test('takes at most 100 parts', async () => {
    await using scene = await openScene();
    const parts = Array.from({ length: 101 }, (_, index) => [`field-${index}`, 'a'] as const);
    const response = await sendForm(scene.url, parts);
    expect(response.status).toBe(400);
    expect(openAiError.parse(await response.json()).error.message).toContain('100 parts');
  });
});
