import { describe, expect, test } from 'vitest';
import { openAiPictures } from '../../../src/api/openai/answers.ts';
import { openAiError } from '../../../src/api/openai/errors.ts';
import { type Easel, startEasel } from '../../support/app/easel.ts';
import { openHttpApp } from '../../support/app/http-app.ts';
import { bearer, TEST_KEYS, testKeys } from '../../support/test-keys.ts';

const BODY = { prompt: 'a lighthouse', size: '1024x640' };

async function post(url: string, path: string, headers: Readonly<Record<string, string>>, body: object = BODY) {
  return await fetch(`${url}/v1/images/${path}`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', ...headers },
    body: JSON.stringify(body),
  });
}

describe('the scopes of keys', () => {
  test.each([
    ['generations', 'viewer'],
    ['generations', 'desk'],
    ['generations/async', 'viewer'],
    ['edits', 'viewer'],
    ['edits/async', 'scraper'],
  ])('POST /v1/images/%s needs generate, which %s lacks', async (path, key) => {
    await using http = await openHttpApp({ keys: testKeys() });
    const response = await post(`http://127.0.0.1:${http.port}`, path, bearer(key));
    expect(response.status).toBe(403);
    expect(openAiError.parse(await response.json()).error).toMatchObject({ code: 'forbidden', param: null });
  });

  test.each(['models', 'models/gpt-image-2', 'images/tasks/a'])('GET /v1/%s needs read', async (path) => {
    await using http = await openHttpApp({ keys: testKeys() });
    const url = `http://127.0.0.1:${http.port}/v1/${path}`;
    for (const key of ['maker', 'scraper']) {
      const response = await fetch(url, { headers: bearer(key) });
      expect(response.status).toBe(403);
      expect(openAiError.parse(await response.json()).error.code).toBe('forbidden');
    }
  });
});

describe('calls of two keys', () => {
  const sentAgain = { 'x-stainless-retry-count': '1' };
  const mediaIdOf = async (response: Response) => {
    openAiPictures.parse(await response.json());
    return response.headers.get('x-easel-media-id');
  };
  const startKeyed = (): Promise<Easel> => startEasel({ skipMs: 0, env: { API_KEYS: TEST_KEYS } });

  test('are never joined, neither as a retry nor by an Idempotency-Key', async () => {
    await using easel = await startKeyed();
    const key = { 'idempotency-key': 'a' };
    const ids: (string | null)[] = [];
    for (const headers of [sentAgain, key]) {
      for (const caller of ['blog', 'shop', 'blog']) {
        ids.push(await mediaIdOf(await post(easel.url, 'generations', { ...headers, ...bearer(caller) })));
      }
    }
    expect(ids[0]).toBe(ids[2]);
    expect(ids[3]).toBe(ids[5]);
    expect(new Set(ids).size).toBe(4);
    expect(easel.upstream.calls).toHaveLength(4);
  });

  test('are counted in the metrics by the templates of their routes', async () => {
    await using easel = await startKeyed();
    await post(easel.url, 'generations', bearer('blog'));
    await post(easel.url, 'edits', bearer('blog'));
    await easel.get('/v1/models/gpt-image-2', bearer('blog'));
    const metrics = await (await easel.get('/metrics', bearer('scraper'))).text();
    for (const route of ['/v1/images/generations', '/v1/images/edits', '/v1/models/:id']) {
      expect(metrics).toContain(`route="${route}"`);
    }
    expect(metrics).not.toContain('route="/v1/models/gpt-image-2"');
  });
});
