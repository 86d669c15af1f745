import { brotliDecompressSync, gunzipSync } from 'node:zlib';
import { type Dispatcher, request } from 'undici';
import { afterAll, beforeAll, describe, expect, it, test } from 'vitest';
import { problem } from '../../../src/api/problem.ts';
import type { AppConfig, AppServices } from '../../../src/http/app.ts';
import { type HttpApp, openHttpApp } from '../../support/app/http-app.ts';
import { type PageFolder, pageFolder, SMALL_PAGE } from '../../support/page/page-folder.ts';
import { testKeys } from '../../support/test-keys.ts';

const POLICY =
  "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data: blob:; connect-src 'self'; base-uri 'none'; " +
  "form-action 'none'; frame-ancestors 'none'";

let folder: PageFolder;
let http: HttpApp;

const open = (config: Partial<AppConfig> = {}, services: Partial<AppServices> = {}) =>
  openHttpApp(services, config, { pageFolder: folder.url });
/** Sends a request through a socket, and does not decompress the answer. */
async function get(
  path: string,
  headers: Record<string, string> = {},
  method: Dispatcher.HttpMethod = 'GET',
  from = http,
) {
  const answer = await request(`http://127.0.0.1:${from.port}${path}`, { method, headers });
  const bytes = Buffer.from(await answer.body.arrayBuffer());
  return { statusCode: answer.statusCode, headers: answer.headers, bytes, body: bytes.toString() };
}
const codeOf = (answer: { readonly body: string }) => problem.parse(JSON.parse(answer.body)).code;

/** The paths of the document's files. */
async function paths(): Promise<readonly string[]> {
  const { body } = await get('/');
  return [...new Set([...body.matchAll(/"(page\/[^"]+)"/g)].map(([, path]) => `/${path}`))];
}

beforeAll(async () => {
  folder = await pageFolder();
  http = await open({ rateLimits: { generate: 1, read: 1, media: 1 } }, { keys: testKeys() });
});
afterAll(async () => {
  await http[Symbol.asyncDispose]();
  await folder[Symbol.asyncDispose]();
});

describe('the page', () => {
  it('is at /, to be checked each time, with a policy that lets in nothing inline and nothing from elsewhere', async () => {
    const answer = await get('/');
    expect(answer.statusCode).toBe(200);
    expect(answer.body).toContain('<h1>A page</h1>');
    expect(answer.headers).toMatchObject({
      'content-type': 'text/html; charset=utf-8',
      'cache-control': 'no-cache',
      'content-security-policy': POLICY,
      vary: 'Accept-Encoding',
      'x-content-type-options': 'nosniff',
      'referrer-policy': 'no-referrer',
    });
  });

  it('has files that are kept for ever', async () => {
    const files = await paths();
    expect(files.map((path) => path.replace(/-[\da-f]{12}/, '')).sort()).toEqual([
      '/page/main.js',
      '/page/parts-greet.js',
      '/page/preact-dist-preact.js',
      '/page/style-base.css',
    ]);
    for (const path of files) {
      const answer = await get(path);
      expect([answer.statusCode, answer.headers['cache-control']]).toEqual([
        200,
        'public, max-age=31536000, immutable',
      ]);
      const type = path.endsWith('.css') ? 'text/css' : 'text/javascript';
      expect(answer.headers['content-type']).toBe(`${type}; charset=utf-8`);
      expect(answer.headers).toMatchObject({ 'x-content-type-options': 'nosniff', vary: 'Accept-Encoding' });
      expect(answer.headers).toMatchObject({
        'content-security-policy': "default-src 'none';frame-ancestors 'none'",
        'cross-origin-resource-policy': 'same-origin',
      });
      expect(JSON.stringify(answer.headers).length).toBeLessThan(600);
    }
  });

  it('is compressed as the browser takes it, each form with a tag of its own', async () => {
    for (const path of ['/', ...(await paths())]) {
      const [plain, gzip, br] = await Promise.all(
        ['identity', 'gzip', 'gzip, br'].map((coding) => get(path, { 'accept-encoding': coding })),
      );
      expect([plain, gzip, br].map((answer) => answer?.headers['content-encoding'])).toEqual([undefined, 'gzip', 'br']);
      expect(gunzipSync(gzip?.bytes ?? '').toString()).toBe(plain?.body);
      expect(brotliDecompressSync(br?.bytes ?? '').toString()).toBe(plain?.body);
      expect(new Set([plain, gzip, br].map((answer) => answer?.headers.etag)).size).toBe(3);
    }
  });

  it('is not sent again as long as it is the same', async () => {
    for (const path of ['/', ...(await paths())]) {
      const { headers } = await get(path, { 'accept-encoding': 'gzip' });
      const again = await get(path, { 'accept-encoding': 'gzip', 'if-none-match': String(headers.etag) });
      expect([again.statusCode, again.body]).toEqual([304, '']);
      for (const name of ['etag', 'cache-control', 'vary', 'content-security-policy']) {
        expect(again.headers[name]).toBe(headers[name]);
      }
      expect((await get(path, { 'if-none-match': '"other"' })).statusCode).toBe(200);
      expect((await get(path, { 'if-match': '"other"' })).statusCode).toBe(412);
    }
  });

  it('answers HEAD with the headers of GET and no body', async () => {
    for (const path of ['/', ...(await paths())]) {
      const [whole, head] = [await get(path), await get(path, {}, 'HEAD')];
      expect([head.statusCode, head.bytes.byteLength]).toEqual([200, 0]);
      for (const name of ['content-length', 'content-type', 'etag', 'cache-control']) {
        expect(head.headers[name]).toBe(whole.headers[name]);
      }
    }
  });

  it('takes other methods as little as any path: 405 with Allow', async () => {
    for (const path of ['/', '/page/main.js']) {
      const answer = await get(path, {}, 'POST');
      expect([answer.statusCode, answer.headers.allow]).toEqual([405, 'GET, HEAD']);
      expect(codeOf(answer)).toBe('invalid_request');
    }
  });

  it.each([
    '/page/none.js',
    '/page/main.js',
    '/page/',
    '/page',
    '/page/a/b.js',
    '/page/..%2Fmain.ts',
    '/page/index.html',
  ])('has nothing at %s: 404', async (path) => {
    const answer = await get(path);
    expect([answer.statusCode, codeOf(answer)]).toEqual([404, 'not_found']);
  });

  it('takes no other place: every other route answers as it does without it', async () => {
    await using without = await open({ page: false }, { keys: testKeys() });
    for (const path of ['/images', '/media/none.png', '/docs', '/openapi.json', '/v1/models', '/health', '/nothing']) {
      const [one, other] = [await get(path), await get(path, {}, 'GET', without)];
      expect([path, one.statusCode]).toEqual([path, other.statusCode]);
    }
  });

  it('is no part of the description of the API', async () => {
    expect(
      Object.keys((http.app.swagger() as { paths: object }).paths).filter((path) => /^\/(page|$)/.test(path)),
    ).toEqual([]);
  });

  it('needs no key and counts in no limit, where the API wants both', async () => {
    for (let count = 0; count < 5; count += 1) {
      for (const path of ['/', ...(await paths())]) expect((await get(path)).statusCode).toBe(200);
    }
    expect((await get('/images')).statusCode).toBe(401);
  });

  it('names its CORS header beside its own', async () => {
    await using app = await open({ corsOrigins: ['https://a.example', 'https://b.example'] });
    const { headers } = await get('/', { origin: 'https://a.example' }, 'GET', app);
    expect(headers.vary).toBe('Origin, Accept-Encoding');
  });
});

describe('there is no page', () => {
  test.each<[string, Partial<AppConfig>]>([
    ['with PAGE=off', { page: false }],
    ['at a worker', { answersCallers: false }],
  ])('%s', async (_name, config) => {
    await using app = await open(config);
    for (const path of ['/', (await paths())[0] ?? '']) {
      const answer = await get(path, {}, 'GET', app);
      expect([answer.statusCode, codeOf(answer)]).toEqual([404, 'not_found']);
    }
  });

  it('as long as it cannot be read, which the log explains; the rest of the service works', async () => {
    await using broken = await pageFolder({ ...SMALL_PAGE, 'main.ts': "import './none.ts';\n" });
    await using app = await openHttpApp({}, {}, { pageFolder: broken.url });
    const answer = await get('/', {}, 'GET', app);
    expect([answer.statusCode, codeOf(answer)]).toEqual([500, 'internal_error']);
    expect(JSON.stringify(app.log)).toContain('none.ts, which main.ts imports, cannot be served');
    expect((await get('/images', {}, 'GET', app)).statusCode).toBe(200);
    await broken.write({ 'none.ts': '' });
    expect((await get('/', {}, 'GET', app)).statusCode).toBe(200);
  });
});

it('is read once, however many ask for it at the same time', async () => {
  await using other = await pageFolder();
  await using app = await openHttpApp({}, {}, { pageFolder: other.url });
  const answers = await Promise.all([1, 2, 3].map(() => get('/', {}, 'GET', app)));
  expect(new Set(answers.map(({ body }) => body)).size).toBe(1);
  await other.write({ 'index.html': '<head></head>' });
  expect((await get('/', {}, 'GET', app)).body).toBe(answers[0]?.body);
});
