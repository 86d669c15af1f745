import { connect } from 'node:net';
import { gzipSync } from 'node:zlib';
import request from 'supertest';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { z } from 'zod';
import { problem } from '../../../src/api/problem.ts';
import type { ProblemCode } from '../../../src/api/problem-kinds.ts';
import { type HttpApp, openHttpApp } from '../../support/app/http-app.ts';

let http: HttpApp;
const api = () => request(http.app.server);

beforeAll(async () => {
  http = await openHttpApp();
  http.images.onSubmit = () => {
    throw new Error('the password is hunter2');
  };
});
afterAll(() => http[Symbol.asyncDispose]());

/** Status, headers and parsed body of one raw answer. */
function parse(answer: string) {
  const [head = '', body = ''] = answer.split('\r\n\r\n');
  const [statusLine = '', ...lines] = head.split('\r\n');
  const headers = new Map(lines.map((line) => [line.split(':')[0]?.toLowerCase(), line.split(': ')[1]]));
  return { status: Number(statusLine.split(' ')[1]), headers, body: problem.parse(JSON.parse(body)) };
}

describe('an error of Fastify', () => {
  const json = (body: string | Buffer) =>
    api()
      .post('/images')
      .type('json')
      .serialize((sent) => sent)
      .send(body as string);
  const encoded = (coding: string, body: string | Buffer) => json(body).set('Content-Encoding', coding);
  const latin1 = Buffer.from('{"prompt":"caf\u00e9"}', 'latin1');
  const cutLetter = Buffer.concat([Buffer.from('{"prompt":"'), Buffer.from('é').subarray(0, 1), Buffer.from('"}')]);

  test.each<[string, () => request.Test, ProblemCode, number, RegExp]>([
    ['an unknown route', () => api().get('/nope?key=secret'), 'not_found', 404, /no GET \/nope$/],
    [
      'an unknown method',
      () => api().put('/images').send({}),
      'invalid_request',
      405,
      /takes GET, HEAD, POST, not PUT$/,
    ],
    ['malformed JSON', () => json('{"prompt": '), 'invalid_request', 400, /not valid JSON/],
    ['an empty body', () => json(''), 'invalid_request', 400, /body/],
    ['no body', () => api().post('/images'), 'invalid_request', 400, /body/],
    ['__proto__ in metadata', () => json('{"metadata":{"__proto__":"x"}}'), 'invalid_request', 400, /__proto__/],
    ['__proto__ at the top', () => json('{"__proto__":{"prompt":"x"}}'), 'invalid_request', 400, /__proto__/],
    ['constructor.prototype', () => json('{"constructor":{"prototype":{}}}'), 'invalid_request', 400, /__proto__/],
    ['10,000-deep JSON', () => json('['.repeat(10_000) + ']'.repeat(10_000)), 'invalid_request', 400, /body/],
    ['text', () => api().post('/images').type('text').send('a'), 'unsupported_media_type', 415, /application\/json/],
    [
      'a form',
      () => api().post('/images').type('form').send('prompt=a'),
      'unsupported_media_type',
      415,
      /application\/json/,
    ],
    [
      'a broken content type',
      () => api().post('/images').set('Content-Type', ';').send('{}'),
      'unsupported_media_type',
      415,
      /json/,
    ],
    ['a body in Latin-1', () => json(latin1), 'invalid_request', 400, /not valid UTF-8/],
    ['a body that ends within a letter', () => json(cutLetter), 'invalid_request', 400, /not valid UTF-8/],
    ['gzip', () => encoded('gzip', gzipSync('{"prompt":"a"}')), 'unsupported_media_type', 415, /Content-Encoding/],
    ['an unknown coding', () => encoded('zip', '{"prompt":"a"}'), 'unsupported_media_type', 415, /Content-Encoding/],
    ['a broken escape', () => api().get('/media/%zz.png'), 'invalid_request', 400, /percent sign/],
  ])('%s is a problem', async (_what, send, code, status, detail) => {
    const answer = await send().expect(status);
    expect(answer.headers['content-type']).toBe('application/problem+json');
    expect(answer.headers['cache-control']).toBe('no-store');
    const body = problem.parse(answer.body);
    expect(body).toMatchObject({ code, status, requestId: answer.headers['x-request-id'] });
    expect(body.detail).toMatch(detail);
    expect(answer.text).not.toMatch(/secret|node_modules|at \w+ \(/);
  });

  const deep = (inside: string) => `${'{"a":'.repeat(10_000)}${inside}${'}'.repeat(10_000)}`;
  const poisons = ['"__proto__":{"x":1}', '"\\u005f_proto__":{"x":1}', '"constructor":{"prototype":{"x":1}}'];
  const bodies: readonly (readonly [string, (poison: string) => string])[] = [
    ['/images', (poison) => `{"prompt":"a",${poison}}`],
    ['/images', (poison) => `{"brief":{"subject":"a",${poison}}}`],
    ['/images', (poison) => `{"prompt":"a","metadata":{"b":"c",${poison}}}`],
    ['/images', (poison) => `{"prompt":"a","labels":[{${poison}}]}`],
    ['/images', (poison) => `{"prompt":"a","size":{${poison}}}`],
    ['/images', (poison) => `{"prompt":"a","metadata":${deep(`{${poison}}`)}}`],
    ['/cleanup', (poison) => `{"olderThan":"1d",${poison}}`],
  ];
  test.each(bodies.flatMap(([path, body]) => poisons.map((poison) => [path, body(poison)] as const)))(
    'refuses prototype pollution in %s %.60s',
    async (path, body) => {
      const answer = await api().post(path).type('json').send(body).expect(400);
      expect(problem.parse(answer.body).detail).toContain('__proto__');
      expect(http.images.cleaned).toEqual([]);
    },
  );

  test.each(['__proto__[x]=1', '__proto__=1', 'constructor.prototype=1', 'limit[__proto__]=1'])(
    'refuses prototype pollution in the query: %s',
    async (query) => {
      expect(problem.parse((await api().get(`/images?${query}`).expect(400)).body).code).toBe('invalid_request');
    },
  );

  test('refuses 10,000-deep JSON in a field, and names it', async () => {
    const answer = await api()
      .post('/images')
      .type('json')
      .send(`{"prompt":"a","metadata":${deep('1')}}`)
      .expect(400);
    expect(problem.parse(answer.body).errors?.map(({ path }) => path)).toEqual(['metadata.a']);
  });

  test('leaves Object.prototype unchanged', () => {
    expect(Object.keys(Object.prototype)).toEqual([]);
    expect('prompt' in {}).toBe(false);
  });

  test('answers HEAD of an unknown route with 404 and no body', async () => {
    const answer = await api().head('/nope').expect(404);
    expect(answer.headers['content-type']).toBe('application/problem+json');
  });

  test('a 415 for the coding of the body tells which one is read; a body that is sent as it is says so in vain', async () => {
    const answer = await encoded('gzip', '{"prompt":"a"}').expect(415);
    expect(answer.headers['accept-encoding']).toBe('identity');
    await encoded('Identity', '{"prompt": ').expect(400);
    const text = Buffer.from('\ufeff{"prompt":1}');
    expect((await json(text).expect(400)).body.errors[0].path).toBe('prompt');
  });

  test('logs an unexpected error and does not send its text', async () => {
    const answer = await api().post('/images').send({ prompt: 'a' }).expect(500);
    expect(answer.body.code).toBe('internal_error');
    expect(answer.text).not.toContain('hunter2');
    const logged = http.log.find(({ msg }) => msg === 'unexpected error');
    expect(logged).toMatchObject({ requestId: answer.body.requestId, err: { message: 'the password is hunter2' } });
  });

  test('answers 500 when an answer does not match its own schema', async () => {
    await using broken = await openHttpApp({
      checks: {
        storage: async () => ({ status: 'sunny' as 'ok' }),
        database: async () => ({ status: 'ok' }),
        queue: async () => ({ status: 'ok' }),
        providers: async () => ({ status: 'ok' }),
      },
    });
    const answer = await request(broken.app.server).get('/health').expect(500);
    expect(answer.body.code).toBe('internal_error');
  });
});

describe('a body over 1 MiB', () => {
  const big = Buffer.alloc(8 * 1024 * 1024, 'x');
  const post = (headers: string) =>
    `POST /images HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n${headers}\r\n\r\n`;

  test.each([
    ['by its length', [post(`Content-Length: ${big.length}`), big]],
    ['by its length, the client closing', [post(`Connection: close\r\nContent-Length: ${big.length}`), big]],
    ['in one chunk', [post('Transfer-Encoding: chunked'), `${big.length.toString(16)}\r\n`, big, '\r\n0\r\n\r\n']],
    ['of a wrong type', [post(`Connection: close\r\nContent-Length: ${big.length}`).replace('json', 'xml'), big]],
    [
      'for an unknown route',
      [post(`Connection: close\r\nContent-Length: ${big.length}`).replace('images', 'nope'), big],
    ],
  ])('%s: the client can read the whole answer, without a reset', async (_how, chunks) => {
    // A reset loses the answer only sometimes, so one round proves little.
    for (let round = 0; round < 5; round++) {
      const { status, headers, body } = parse(await http.raw(...chunks));
      expect([404, 413, 415]).toContain(status);
      expect(body.status).toBe(status);
      expect(headers.get('content-type')).toBe('application/problem+json');
    }
  });

  test('is a payload_too_large, answered before the client has sent it', async () => {
    const socket = connect(http.port, '127.0.0.1');
    socket.write(post(`Content-Length: ${big.length}`));
    const [first] = await new Promise<[Buffer]>((resolve) => socket.once('data', (chunk) => resolve([chunk])));
    socket.destroy();
    expect(parse(first.toString())).toMatchObject({ status: 413, body: { code: 'payload_too_large' } });
  });

  test('is refused only above 1 MiB exactly', async () => {
    const body = JSON.stringify({ metadata: 'x' });
    const answer = await api()
      .post('/images')
      .type('json')
      .send(body.padEnd(1024 * 1024))
      .expect(400);
    expect(answer.body.errors[0].path).toBe('metadata');
    await api()
      .post('/images')
      .type('json')
      .send(body.padEnd(1024 * 1024 + 1))
      .expect(413);
  });
});

describe('input that is not HTTP', () => {
  test.each([
    ['garbage', 'hello\r\n\r\n', 400],
    ['an unknown method', 'FOO / HTTP/1.1\r\nHost: x\r\n\r\n', 400],
    ['two hosts', 'GET /health HTTP/1.1\r\nHost: x\r\nhost: x\r\nConnection: close\r\n\r\n', 400],
    ['two hosts in HTTP/1.0', 'GET /health HTTP/1.0\r\nHost: x\r\nHost: y\r\n\r\n', 400],
    ['no host', 'GET / HTTP/1.1\r\nConnection: close\r\n\r\n', 400],
    ['a header of 64 KB', `GET / HTTP/1.1\r\nHost: x\r\nX-Long: ${'x'.repeat(65_536)}\r\n\r\n`, 431],
    ['a header of 2 MB', `GET / HTTP/1.1\r\nHost: x\r\nX-Long: ${'x'.repeat(2_000_000)}\r\n\r\n`, 431],
    ['a URL of 64 KB', `GET /${'x'.repeat(65_536)} HTTP/1.1\r\nHost: x\r\n\r\n`, 431],
    [
      'a broken chunk',
      'POST /images HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n',
      400,
    ],
    ['two lengths', 'POST /images HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nx', 400],
  ])('%s is answered with a problem', async (_what, bytes, status) => {
    const answer = parse(await http.raw(bytes));
    expect(answer.status).toBe(status);
    expect(answer.headers.get('content-type')).toBe('application/problem+json');
    expect(answer.body).toMatchObject({ status, code: 'invalid_request' });
    expect(z.uuid().safeParse(answer.body.requestId).success).toBe(true);
  });
});
