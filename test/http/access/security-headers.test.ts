import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import request from 'supertest';
import { describe, expect, test } from 'vitest';
import { exampleFile } from '../../support/app/fake-images.ts';
import { openHttpApp } from '../../support/app/http-app.ts';
import { picturesIn } from '../../support/app/pictures-in.ts';
import { bearer, testKeys } from '../../support/test-keys.ts';

test.each(['/health', '/images', '/nope', '/openapi.json', '/media/a.png'])(
  '%s forbids scripts, frames and content sniffing',
  async (path) => {
    await using http = await openHttpApp();
    const { headers } = await request(http.app.server).get(path);
    expect(headers).toMatchObject({
      'content-security-policy': "default-src 'none';frame-ancestors 'none'",
      'x-content-type-options': 'nosniff',
      'referrer-policy': 'no-referrer',
    });
    expect(headers).not.toHaveProperty('strict-transport-security');
    expect(headers).not.toHaveProperty('x-powered-by');
  },
);

test('a picture has every header of other answers, with a policy of its own', async () => {
  const bytes = Buffer.from('a picture');
  await using http = await openHttpApp(async (root) => ({
    pictures: await picturesIn(root, [exampleFile('a.png', bytes)]),
  }));
  await writeFile(join(http.root, 'a.png'), bytes);
  const headersOf = async (path: string, asked = {}) => {
    const { headers } = await request(http.app.server).get(path).set(asked).responseType('blob');
    const { date: _date, 'x-request-id': _id, ...compared } = headers;
    return compared;
  };

  const byHelmet = await headersOf('/nope');
  const missing = await headersOf('/media/missing.png');
  expect({ ...missing, 'content-length': '' }).toEqual({ ...byHelmet, 'content-length': '' });

  const { 'content-length': _length, 'content-type': _type, ...common } = byHelmet;
  const picture = {
    ...common,
    etag: expect.any(String),
    'cache-control': expect.any(String),
    'content-security-policy': "default-src 'none'; frame-ancestors 'none'; style-src 'unsafe-inline'",
    'cross-origin-resource-policy': 'cross-origin',
  };
  const found = { 'accept-ranges': 'bytes', 'content-type': 'image/png', 'content-length': String(bytes.length) };
  const fromDisk = await headersOf('/media/a.png');
  expect(fromDisk).toEqual({ ...picture, ...found });
  const fromMemory = [await headersOf('/media/a.png'), await headersOf('/media/a.png')];
  expect(fromMemory).toEqual([fromDisk, fromDisk]);
  expect(await headersOf('/media/a.png', { 'If-None-Match': fromDisk.etag })).toEqual(picture);
});

test('the docs load scripts of their own origin only', async () => {
  await using http = await openHttpApp();
  const { headers, text } = await request(http.app.server).get('/docs').expect(200);
  const policy = headers['content-security-policy'] ?? '';
  expect(policy.split('; ')).toEqual(
    expect.arrayContaining(["default-src 'none'", "script-src 'self'", "connect-src 'self'", "frame-ancestors 'none'"]),
  );
  for (const [, attributes = '', inside = ''] of text.matchAll(/<script([^>]*)>([^<]*)<\/script>/g)) {
    expect(attributes).toContain('src="/docs/');
    expect(inside.trim()).toBe('');
  }
});

describe('cross-origin requests', () => {
  const page = 'https://app.example';
  const preflight = { Origin: page, 'Access-Control-Request-Method': 'POST' };

  test('are not allowed by default', async () => {
    await using http = await openHttpApp({ keys: testKeys() });
    await request(http.app.server).options('/images').set(preflight).expect(405);
    const { headers } = await request(http.app.server)
      .get('/images')
      .set(bearer('blog'))
      .set('Origin', page)
      .expect(200);
    expect(headers).not.toHaveProperty('access-control-allow-origin');
  });

  test.each([
    [page, page],
    ['https://app.example:8443', undefined],
    ['http://app.example', undefined],
    ['https://evil.example', undefined],
    ['null', undefined],
  ])('from %s get the allowed origin %s', async (from, allowed) => {
    await using http = await openHttpApp({ keys: testKeys() }, { corsOrigins: [page, 'https://other.example'] });
    const api = () => request(http.app.server);
    const asked = await api()
      .options('/images')
      .set({ ...preflight, Origin: from })
      .expect(204);
    expect(asked.headers['access-control-allow-origin']).toBe(allowed);
    if (allowed) {
      expect(asked.headers['access-control-allow-headers']).toMatch(/authorization.*x-api-key/);
      expect(asked.headers['access-control-allow-headers']).toMatch(/if-match, *if-none-match/);
      // Without it, the retries of an SDK in a browser could not be recognised.
      expect(asked.headers['access-control-allow-headers']).toContain('x-stainless-retry-count');
      for (const method of ['PATCH', 'DELETE']) expect(asked.headers['access-control-allow-methods']).toContain(method);
    }
    // Refusals too: the page has to be able to read the problem.
    const answer = await api().get('/images').set('Origin', from).expect(401);
    expect(answer.headers['access-control-allow-origin']).toBe(allowed);
    if (allowed)
      expect(answer.headers['access-control-expose-headers']).toMatch(/etag.*x-easel-media-id.*x-should-retry/);
    expect(answer.headers.vary).toMatch(/Origin/);
    expect(answer.headers).not.toHaveProperty('access-control-allow-credentials');
  });
});
