import OpenAI from 'openai';
import { describe, expect, test } from 'vitest';
import { z } from 'zod';
import { imageList } from '../../../src/api/image-list.ts';
import { openAiError } from '../../../src/api/openai/errors.ts';
import { startEasel } from '../../support/app/easel.ts';
import { openHttpApp } from '../../support/app/http-app.ts';
import { picture, openAiError as upstreamError } from '../../support/openai/answers.ts';
import { testKeys } from '../../support/test-keys.ts';

const JSON_BODY = { 'content-type': 'application/json' };

async function errorOf(response: Response) {
  return { status: response.status, ...openAiError.parse(await response.json()).error };
}

describe('bad input is refused with the parameter, and nothing is called', () => {
  test.each([
    ['no prompt', {}, 400, 'invalid_request', 'prompt'],
    ['n of 0', { prompt: 'a', n: 0 }, 400, 'invalid_request', 'n'],
    ['n of 11', { prompt: 'a', n: 11 }, 400, 'invalid_request', 'n'],
    ['an unknown response_format', { prompt: 'a', response_format: 'hex' }, 400, 'invalid_request', 'response_format'],
    ['a size without an x', { prompt: 'a', size: '1024' }, 400, 'invalid_request', 'size'],
    ['a size beyond all bounds', { prompt: 'a', size: '9000x9000' }, 400, 'invalid_request', 'size'],
    ['an unknown quality', { prompt: 'a', quality: 'ultra' }, 400, 'invalid_request', 'quality'],
    ['a vector graphic', { prompt: 'a', output_format: 'svg' }, 400, 'invalid_request', 'output_format'],
    ['a compression of 101', { prompt: 'a', output_compression: 101 }, 400, 'invalid_request', 'output_compression'],
    ['a stream of two', { prompt: 'a', stream: true, n: 2 }, 400, 'invalid_request', 'n'],
    [
      'four partial pictures',
      { prompt: 'a', stream: true, partial_images: 4 },
      400,
      'invalid_request',
      'partial_images',
    ],
    ['40,000 characters', { prompt: 'a'.repeat(40_000) }, 400, 'unsupported_parameter', 'prompt'],
    [
      'a transparent jpeg',
      { prompt: 'a', background: 'transparent', output_format: 'jpeg' },
      400,
      'unsupported_parameter',
      'output_format',
    ],
    ['an unknown model', { prompt: 'a', model: 'paint-9' }, 404, 'model_not_found', 'model'],
    ['a model that was shut down', { prompt: 'a', model: 'dall-e-3' }, 404, 'model_not_found', 'model'],
    ['a webhook that is no URL', { prompt: 'a', webhook_url: 'there' }, 400, 'invalid_request', 'webhook_url'],
  ])('%s', async (_name, body, status, code, param) => {
    await using easel = await startEasel();
    const response = await fetch(`${easel.url}/v1/images/generations`, {
      method: 'POST',
      headers: JSON_BODY,
      body: JSON.stringify(body),
    });
    expect(await errorOf(response)).toMatchObject({ status, code, param, type: 'invalid_request_error' });
    expect(response.headers.get('x-request-id')).not.toBeNull();
    expect(easel.upstream.calls).toHaveLength(0);
  });

  test.each([
    ['generations', {}, 'prompt: is missing'],
    ['generations', { prompt: ' ' }, 'prompt: must not be blank'],
    ['generations', { prompt: 'a', n: 0 }, 'n: must be a whole number from 1 to 10'],
    ['generations', { prompt: 'a', response_format: 'hex' }, 'response_format: must be one of b64_json, url'],
    [
      'generations',
      { prompt: 'a', webhook_url: 'http://127.0.0.1/' },
      expect.stringMatching(/^webhook_url: 127\.0\.0\.1 has an address/),
    ],
    ['edits', { prompt: 'a' }, expect.stringMatching(/^images: is missing: send at least one picture/)],
    ['edits', { prompt: 'a', images: ['b'] }, expect.stringMatching(/^images\.0: must be an object such as/)],
    [
      'edits',
      { prompt: 'a', images: [{ image_url: 'data:image/png;base64,AAAA' }] },
      expect.stringMatching(/^image\.0: the bytes are no/),
    ],
  ])('by %s, in one plain sentence: %o', async (route, body, message) => {
    await using easel = await startEasel();
    const response = await fetch(`${easel.url}/v1/images/${route}`, {
      method: 'POST',
      headers: JSON_BODY,
      body: JSON.stringify(body),
    });
    expect(await errorOf(response)).toMatchObject({ status: 400, message });
  });

  test('a stream of a task', async () => {
    await using easel = await startEasel();
    for (const [path, headers] of [
      ['/v1/images/generations/async', {}],
      ['/v1/images/generations', { prefer: 'respond-async' }],
    ] as const) {
      const body = JSON.stringify({ prompt: 'a', stream: true });
      const response = await fetch(easel.url + path, { method: 'POST', headers: { ...JSON_BODY, ...headers }, body });
      expect(await errorOf(response)).toMatchObject({ status: 400, param: 'stream' });
    }
  });
});

describe('errors before the route have the same shape', () => {
  const post = (body: string, headers: Readonly<Record<string, string>> = JSON_BODY) => ({
    method: 'POST',
    headers,
    body,
  });

  test.each([
    ['an unknown route', '/v1/audio', {}, 404, 'not_found'],
    [
      'a form for an unknown route',
      '/v1/images/variations',
      post('a', { 'content-type': 'multipart/form-data; boundary=a' }),
      404,
      'not_found',
    ],
    ['text for an unknown route', '/v1/audio', post('a', { 'content-type': 'text/plain' }), 404, 'not_found'],
    ['a path that is no URL', '/v1/%zz', {}, 400, 'invalid_request'],
    ['a method that the route does not take', '/v1/images/generations', {}, 405, 'invalid_request'],
    ['broken JSON', '/v1/images/generations', post('{'), 400, 'invalid_request'],
    [
      'another type',
      '/v1/images/generations',
      post('a', { 'content-type': 'text/plain' }),
      415,
      'unsupported_media_type',
    ],
    ['a body of 2 MiB', '/v1/images/generations', post(`"${'a'.repeat(2 ** 21)}"`), 413, 'payload_too_large'],
    [
      'a form for generations',
      '/v1/images/generations',
      post('a', { 'content-type': 'multipart/form-data; boundary=a' }),
      415,
      'unsupported_media_type',
    ],
    [
      'a form without a boundary',
      '/v1/images/edits',
      post('a', { 'content-type': 'multipart/form-data' }),
      400,
      'invalid_request',
    ],
  ] as const)('%s', async (_name, path, init, status, code) => {
    await using http = await openHttpApp();
    const response = await fetch(`http://127.0.0.1:${http.port}${path}`, init);
    expect(await errorOf(response)).toMatchObject({ status, code });
    expect(response.headers.get('content-type')).toContain('application/json');
  });

  test('a missing and an unknown key', async () => {
    await using http = await openHttpApp({ keys: testKeys() });
    const url = `http://127.0.0.1:${http.port}/v1/models`;
    expect(await errorOf(await fetch(url))).toMatchObject({ status: 401, code: 'invalid_api_key' });
    const client = new OpenAI({ baseURL: `http://127.0.0.1:${http.port}/v1`, apiKey: 'wrong', maxRetries: 0 });
    await expect(client.models.list()).rejects.toBeInstanceOf(OpenAI.AuthenticationError);
  });

  test('a stop and a full rate limit, with what a client needs to come back', async () => {
    let isStopping = false;
    await using http = await openHttpApp(
      { stopping: () => isStopping },
      { rateLimits: { generate: 1, read: null, media: null } },
    );
    const url = `http://127.0.0.1:${http.port}/v1/images/generations`;
    await fetch(url, post('{}'));
    const limited = await fetch(url, post('{}'));
    expect(limited.headers.get('retry-after')).toMatch(/^\d+$/);
    expect(await errorOf(limited)).toMatchObject({ status: 429, code: 'rate_limit_exceeded' });
    isStopping = true;
    const stopping = await fetch(url, post('{}'));
    expect(stopping.headers.get('retry-after')).toMatch(/^\d+$/);
    expect(await errorOf(stopping)).toMatchObject({ status: 503, code: 'shutting_down' });
  });
});

describe('failures of pictures are final', () => {
  const noRetry = z.literal('false');

  test.each([
    ['a refused prompt', upstreamError('moderation_blocked'), 400, 'moderation_blocked', OpenAI.BadRequestError],
    ['a picture of one colour', picture({ content: 'blank' }), 502, 'invalid_image', OpenAI.InternalServerError],
  ] as const)('%s', async (_name, answer, status, code, Expected) => {
    await using easel = await startEasel({ skipMs: 50_000 });
    easel.upstream.always(answer);
    const client = new OpenAI({ baseURL: `${easel.url}/v1`, apiKey: 'none' });
    const error = await client.images.generate({ prompt: 'a' }).catch((raised: unknown) => raised);
    expect(error).toBeInstanceOf(Expected);
    if (!(error instanceof OpenAI.APIError)) throw error;
    expect(error).toMatchObject({ status, code });
    noRetry.parse(error.headers?.get('x-should-retry'));
    expect(easel.upstream.calls).toHaveLength(1);
    expect(error.headers?.get('x-easel-media-id')).toMatch(/^[0-9a-f-]{36}$/);
  });

  test('a picture that was cancelled', async () => {
    await using easel = await startEasel({ skipMs: 0 });
    easel.upstream.always(picture({ beforeHeaders: easel.upstream.gate() }));
    const client = new OpenAI({ baseURL: `${easel.url}/v1`, apiKey: 'none' });
    const call = client.images.generate({ prompt: 'a' }).catch((raised: unknown) => raised);
    await easel.upstream.received(1);
    const { items } = imageList.parse(await (await easel.get('/images')).json());
    await easel.cancel(items[0]?.mediaId ?? '');
    const error = await call;
    if (!(error instanceof OpenAI.ConflictError)) throw error;
    expect(error).toMatchObject({ status: 409, code: 'cancelled' });
    noRetry.parse(error.headers?.get('x-should-retry'));
    expect(easel.upstream.calls).toHaveLength(1);
  });

  test('a budget that is spent', async () => {
    await using easel = await startEasel({ env: { BUDGET_USD_PER_DAY: '0.01' } });
    const client = new OpenAI({ baseURL: `${easel.url}/v1`, apiKey: 'none' });
    const error = await client.images.generate({ prompt: 'a' }).catch((raised: unknown) => raised);
    if (!(error instanceof OpenAI.RateLimitError)) throw error;
    expect(error).toMatchObject({ code: 'insufficient_quota' });
    noRetry.parse(error.headers?.get('x-should-retry'));
    expect(easel.upstream.calls).toHaveLength(0);
  });
});
