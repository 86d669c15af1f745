import { METHODS } from 'node:http';
import request from 'supertest';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { problem } from '../../../src/api/problem.ts';
import { type HttpApp, openHttpApp } from '../../support/app/http-app.ts';
import { testKeys } from '../../support/test-keys.ts';

let http: HttpApp;
const send = (method: string, path: string) =>
  http.raw(`${method} ${path} HTTP/1.1\r\nHost: here\r\nConnection: close\r\n\r\n`);
const allowOf = (answer: string) => /^allow: (.*)\r$/im.exec(answer)?.[1];
const statusOf = (answer: string) => Number(answer.split(' ')[1]);

beforeAll(async () => {
  http = await openHttpApp({ keys: testKeys() });
});
afterAll(() => http[Symbol.asyncDispose]());

describe('a method that a known path does not take', () => {
  test.each([
    ['PUT', '/images', 'GET, HEAD, POST'],
    ['PUT', '/images?limit=1', 'GET, HEAD, POST'],
    ['POST', '/images/hero', 'DELETE, GET, HEAD, PATCH'],
    ['GET', '/images/hero/cancel', 'POST'],
    ['HEAD', '/images/hero/events', 'GET'],
    // A picture may be called `preview`.
    ['PUT', '/images/preview', 'DELETE, GET, HEAD, PATCH, POST'],
    ['POST', '/media/hero.png', 'GET, HEAD'],
    ['DELETE', '/health', 'GET, HEAD'],
    ['POST', '/docs', 'GET, HEAD'],
    ['POST', '/docs/static/index.css', 'GET, HEAD'],
    ['OPTIONS', '/images', 'GET, HEAD, POST'],
  ])('%s %s is a 405 that names those it takes: %s', async (method, path, allowed) => {
    const answer = await send(method, path);
    expect([statusOf(answer), allowOf(answer)]).toEqual([405, allowed]);
    expect(answer).toMatch(/^x-content-type-options: nosniff\r$/im);
    if (method === 'HEAD') return;
    const body = problem.parse(JSON.parse(answer.split('\r\n\r\n')[1] ?? ''));
    expect(body).toMatchObject({ code: 'invalid_request', status: 405 });
    expect(body.detail).toBe(`${path.split('?')[0]} takes ${allowed}, not ${method}`);
  });

  test('is answered so whatever the method', async () => {
    for (const method of METHODS.filter((one) => !['GET', 'HEAD', 'POST', 'CONNECT'].includes(one))) {
      const answer = await send(method, '/images');
      expect([method, statusOf(answer), allowOf(answer)]).toEqual([method, 405, 'GET, HEAD, POST']);
    }
  });

  test('is answered before the body is read', async () => {
    await request(http.app.server).put('/images').type('text').send('a').expect(405);
    await request(http.app.server).put('/images').type('json').send('{').expect(405);
  });
});

test.each([
  ['POST', '/nope'],
  ['POST', '/images/'],
  ['POST', '/media/'],
  ['POST', '/media/a/b'],
  ['POST', '/images/hero/nope'],
  ['POST', `/images/${'x'.repeat(600)}`],
  ['OPTIONS', '*'],
])('%s of the unknown path %s is a 404 without Allow', async (method, path) => {
  const answer = await send(method, path);
  expect([statusOf(answer), allowOf(answer)]).toEqual([404, undefined]);
});

test('the request of a browser whether it may call from another origin is answered on every path', async () => {
  await using open = await openHttpApp({}, { corsOrigins: ['https://app.example'] });
  const ask = (path: string) =>
    request(open.app.server)
      .options(path)
      .set('Origin', 'https://app.example')
      .set('Access-Control-Request-Method', 'POST');
  await ask('/images').expect(204);
  await request(open.app.server).put('/images').expect(405).expect('allow', 'GET, HEAD, POST');
  await request(open.app.server).put('/nope').expect(404);
});
