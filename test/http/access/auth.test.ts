import request from 'supertest';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { openAiError } from '../../../src/api/openai/errors.ts';
import { problem } from '../../../src/api/problem.ts';
import { describeApi } from '../../../src/composition/describe-api.ts';
import { exampleImage } from '../../support/app/fake-images.ts';
import { type HttpApp, openHttpApp } from '../../support/app/http-app.ts';
import { bearer, testKeys } from '../../support/test-keys.ts';
import { until } from '../../support/until.ts';

let http: HttpApp;
const api = () => request(http.app.server);

beforeAll(async () => {
  http = await openHttpApp({ keys: testKeys() }, { metricsAccess: 'keyed', docsAccess: 'keyed' });
  http.images.stored.set('a', exampleImage({ mediaId: 'a', owner: 'blog' }));
});
afterAll(() => http[Symbol.asyncDispose]());

const { paths } = (await describeApi('1')) as { paths: Record<string, Record<string, object>> };
const documented = Object.entries(paths).flatMap(([path, methods]) =>
  Object.keys(methods).map((method) => [method.toUpperCase(), path.replace(/\{\w+\}/g, 'a')] as const),
);
const hidden = ['/docs', '/docs/', '/docs/json', '/docs/yaml', '/docs/static/index.css', '/openapi.json'].map(
  (path) => ['GET', path] as const,
);
const everyRoute = [...documented, ...hidden];
const isPage = (path: string) => hidden.some(([, page]) => page === path);
const isDialect = (path: string) => path.startsWith('/v1/');
const isOpen = (path: string) => path.startsWith('/health') || path.startsWith('/media');
const send = (method: string, path: string) => api()[method.toLowerCase() as 'get'](path) as unknown as request.Test;

/** The status of an answer, of which no more is read: the events of all images have no end. */
async function statusOf({ port }: HttpApp, method: string, path: string, headers = {}): Promise<number> {
  const leaving = new AbortController();
  const url = `http://127.0.0.1:${port}${path}`;
  const { status } = await fetch(url, { method, headers, redirect: 'manual', signal: leaving.signal });
  leaving.abort();
  return status;
}

describe('without a key', () => {
  test.each(everyRoute.filter(([, path]) => !isOpen(path)))('%s %s is a 401 with a challenge', async (method, path) => {
    const answer = await send(method, path).expect(401);
    const code = isDialect(path) ? openAiError.parse(answer.body).error.code : problem.parse(answer.body).code;
    expect(code).toBe(isDialect(path) ? 'invalid_api_key' : 'unauthorized');
    const forBrowsers = isPage(path) ? ', Basic realm="easel", charset="UTF-8"' : '';
    expect(answer.headers['www-authenticate']).toBe(`Bearer realm="easel"${forBrowsers}`);
  });

  test.each(everyRoute.filter(([, path]) => isOpen(path)))('%s %s is open', async (method, path) => {
    expect((await send(method, path)).status).not.toBe(401);
  });

  test('the answer comes before the body is parsed, and nothing is accepted', async () => {
    await api().post('/images').type('json').send('{"prompt": ').expect(401);
    await api().post('/images').type('text').send('x').expect(401);
    expect(http.images.submitted).toEqual([]);
  });
});

describe('a key', () => {
  test.each<[string, Record<string, string>, number]>([
    ['Bearer', { authorization: 'Bearer viewer-secret' }, 200],
    ['bearer, in lower case', { authorization: 'bearer viewer-secret' }, 200],
    ['x-api-key', { 'x-api-key': 'viewer-secret' }, 200],
    [
      'x-api-key beside another kind of authorization',
      { authorization: 'Basic eDp5', 'x-api-key': 'viewer-secret' },
      200,
    ],
    ['an unknown one', { authorization: 'Bearer nope' }, 401],
    ['an unknown Bearer beside a known x-api-key', { authorization: 'Bearer nope', 'x-api-key': 'viewer-secret' }, 401],
    ['its name', { authorization: 'Bearer viewer' }, 401],
    ['a part of it', { authorization: 'Bearer viewer-secre' }, 401],
    ['Basic', { authorization: `Basic ${btoa('viewer:viewer-secret')}` }, 401],
    ['nothing after Bearer', { authorization: 'Bearer ' }, 401],
    ['an empty x-api-key', { 'x-api-key': '' }, 401],
    ['a cookie', { cookie: 'key=viewer-secret' }, 401],
  ])('sent as %s', async (_how, headers, status) => {
    const answer = await api().get('/images').set(headers).expect(status);
    if (status === 401) expect(answer.text).not.toContain('viewer');
  });

  test('that is unknown has a challenge that says so', async () => {
    const answer = await api().get('/images').set('x-api-key', 'nope').expect(401);
    expect(answer.headers['www-authenticate']).toBe('Bearer realm="easel", error="invalid_token"');
  });

  test('in the URL is ignored, and not logged', async () => {
    const { length } = http.log;
    for (const name of ['key', 'api_key', 'access_token', 'x-api-key']) {
      await api().get(`/images?${name}=viewer-secret`).expect(401);
    }
    await until(() => http.log.slice(length).filter(({ msg }) => msg === 'request').length === 4);
    expect(JSON.stringify(http.log)).not.toContain('viewer-secret');
  });

  test('is logged by its name', async () => {
    const { length } = http.log;
    await api().get('/images').set(bearer('viewer')).expect(200);
    await until(() => http.log.length > length);
    expect(http.log.at(-1)).toMatchObject({ msg: 'request', key: 'viewer' });
  });

  test('is the caller of its requests', async () => {
    const made = { prompt: 'a', mediaId: 'made' };
    await api().post('/images').set(bearer('blog')).set('Prefer', 'respond-async').send(made).expect(202);
    await api().post('/images').set(bearer('boss')).set('Prefer', 'respond-async').send(made).expect(202);
    expect(http.images.submitted.map(({ caller }) => caller)).toEqual([
      { name: 'blog', seesAll: false, admin: false },
      { name: 'boss', seesAll: true, admin: true },
    ]);
  });
});

describe('scopes', () => {
  const needs = (method: string, path: string) => {
    if (isPage(path) || path === '/whoami') return 'any';
    if (path === '/metrics') return 'metrics';
    if (path.startsWith('/cleanup') || path === '/operations') return 'admin';
    return method === 'GET' ? 'read' : 'generate';
  };
  const allowed: Readonly<Record<string, readonly string[]>> = {
    maker: ['any', 'generate'],
    viewer: ['any', 'read'],
    blog: ['any', 'generate', 'read'],
    desk: ['any', 'read'],
    scraper: ['any', 'metrics'],
    boss: ['any', 'generate', 'read', 'metrics', 'admin'],
  };
  const rows = everyRoute
    .filter(([, path]) => !isOpen(path))
    .flatMap(([method, path]) =>
      Object.keys(allowed).map((name) => [name, method, path, needs(method, path)] as const),
    );

  test.each(rows)('%s, %s %s: needs %s', async (name, method, path, scope) => {
    http.images.stored.set('a', exampleImage({ mediaId: 'a', owner: 'blog' }));
    if (allowed[name]?.includes(scope)) {
      expect([401, 403]).not.toContain(await statusOf(http, method, path, bearer(name)));
      return;
    }
    const answer = await send(method, path).set(bearer(name)).expect(403);
    const detail = `the API key ${name} lacks the scope ${scope}`;
    if (isDialect(path)) {
      expect(openAiError.parse(answer.body).error).toMatchObject({ code: 'forbidden', message: detail });
    } else {
      expect(problem.parse(answer.body)).toMatchObject({ code: 'forbidden', detail });
    }
    expect(answer.headers['www-authenticate']).toContain(`error="insufficient_scope", scope="${scope}"`);
  });
});

describe('a browser that opens the docs', () => {
  const open = (path: string, password: string) => api().get(path).auth('any name', password);

  test.each(hidden)('%s %s takes a key as the password, whatever its scopes', async (_method, path) => {
    await open(path, 'scraper-secret').expect(200);
    await open(path, 'nope').expect(401);
    await open(path, '').expect(401);
  });

  test.each(['/images', '/usage', '/metrics'])('gets %s by no password', async (path) => {
    const answer = await open(path, 'boss-secret').expect(401);
    expect(answer.headers['www-authenticate']).not.toContain('Basic');
  });
});

test('without keys, and with open metrics and docs, every route is open', async () => {
  await using open = await openHttpApp();
  for (const [method, path] of everyRoute) {
    expect([401, 403], `${method} ${path}`).not.toContain(await statusOf(open, method, path));
  }
});
