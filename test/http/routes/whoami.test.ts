import request from 'supertest';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { problem } from '../../../src/api/problem.ts';
import { whoami } from '../../../src/api/whoami.ts';
import { SCOPES } from '../../../src/security/api-keys.ts';
import { type HttpApp, openHttpApp } from '../../support/app/http-app.ts';
import { bearer, testKeys } from '../../support/test-keys.ts';

let http: HttpApp;
const api = () => request(http.app.server);

beforeAll(async () => {
  http = await openHttpApp({ keys: testKeys() }, { rateLimits: { generate: 1, read: null, media: null } });
});
afterAll(() => http[Symbol.asyncDispose]());

describe('GET /whoami', () => {
  test.each([
    ['blog', ['generate', 'read']],
    ['maker', ['generate']],
    ['viewer', ['read']],
    ['desk', ['read', 'read-all']],
    ['editor', ['generate', 'read', 'read-all']],
    ['scraper', ['metrics']],
    ['boss', ['generate', 'read', 'read-all', 'metrics', 'admin']],
  ])('tells the key %s its name and its scopes', async (name, scopes) => {
    const answer = await api().get('/whoami').set(bearer(name)).expect(200);
    expect(answer.body).toEqual({ name, scopes, keysInUse: true });
    expect(answer.headers['cache-control']).toBe('no-store');
  });

  test('goes by the key that was sent, where two bear one name', async () => {
    const answer = await api().get('/whoami').set('x-api-key', 'blog-page-secret').expect(200);
    expect(answer.body).toEqual({ name: 'blog', scopes: ['read'], keysInUse: true });
  });

  test.each([
    ['no key', {}],
    ['an unknown key', { authorization: 'Bearer nope' }],
    ['a password', { authorization: `Basic ${btoa('boss:boss-secret')}` }],
  ])('is a 401 for %s', async (_, headers) => {
    const answer = await api().get('/whoami').set(headers).expect(401);
    expect(problem.parse(answer.body)).toMatchObject({ code: 'unauthorized' });
    expect(answer.headers['cache-control']).toBe('no-store');
  });

  test('takes no token of the limit for generations', async () => {
    const post = () => api().post('/images').set(bearer('maker')).set('prefer', 'respond-async').send({ prompt: 'a' });
    for (let n = 0; n < 3; n += 1) await api().get('/whoami').set(bearer('maker')).expect(200);
    await post().expect(202);
    await post().expect(429);
    await api().get('/whoami').set(bearer('maker')).expect(200);
  });

  test('says that there are no keys, and that everything is allowed', async () => {
    await using open = await openHttpApp();
    const answer = await request(open.app.server).get('/whoami').set(bearer('blog')).expect(200);
    expect(answer.body).toEqual({ name: 'anonymous', scopes: [...SCOPES], keysInUse: false });
  });

  test('names every scope that there is', () => {
    expect(whoami.shape.scopes.element.options).toEqual([...SCOPES]);
  });
});
