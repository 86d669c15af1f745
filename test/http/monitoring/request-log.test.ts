import request from 'supertest';
import { expect, test } from 'vitest';
import { ImageError } from '../../../src/core/domain/errors.ts';
import { exampleImage } from '../../support/app/fake-images.ts';
import { openHttpApp } from '../../support/app/http-app.ts';
import { until } from '../../support/until.ts';

test('a request is logged in one line, without query, headers or body', async () => {
  await using http = await openHttpApp();
  await request(http.app.server)
    .post('/images?key=secret')
    .set('Authorization', 'Bearer secret')
    .set('X-Api-Key', 'secret')
    .set('X-Request-Id', 'order-42')
    .set('Prefer', 'respond-async')
    .send({ prompt: 'secret' })
    .expect(202);
  await until(() => http.log.some(({ msg }) => msg === 'request'));
  const lines = http.log.filter(({ requestId }) => requestId !== undefined);
  expect(lines).toEqual([
    expect.objectContaining({
      level: 30,
      msg: 'request',
      requestId: 'order-42',
      method: 'POST',
      route: '/images',
      url: '/images',
      status: 202,
      ms: expect.any(Number),
    }),
  ]);
  expect(JSON.stringify(http.log)).not.toContain('secret');
});

test('the line names the image, by the path or as it was made, and the code of a problem', async () => {
  await using http = await openHttpApp();
  const send = () => request(http.app.server);
  await send().post('/images').set('Prefer', 'respond-async').send({ prompt: 'a lighthouse' }).expect(202);
  await send().post('/images').send({ prompt: 7 }).expect(400);
  await send().get('/images/article-1').expect(404);
  await send().get('/nope').expect(404);
  http.images.onSubmit = () => ({
    image: exampleImage({ mediaId: 'refused', status: 'failed', error: { code: 'prompt_rejected', detail: 'no' } }),
    started: true,
    replayed: false,
  });
  await send().post('/images').send({ prompt: 'a lighthouse' }).expect(422);
  http.images.onSubmit = () => {
    throw new ImageError('provider_unavailable', 'no provider works at the moment');
  };
  await send().post('/images').send({ mediaId: 'not-taken', prompt: 'a lighthouse' }).expect(503);
  await send().post('/images').send({ mediaId: 'Bearer secret', prompt: 'a lighthouse' }).expect(400);
  await until(() => http.log.filter(({ msg }) => msg === 'request').length === 7);
  const lines = http.log.filter(({ msg }) => msg === 'request');
  expect(lines.map(({ status, mediaId, code }) => [status, mediaId, code])).toEqual([
    [202, 'made-1', undefined],
    [400, undefined, 'invalid_request'],
    [404, 'article-1', 'not_found'],
    [404, undefined, 'not_found'],
    [422, 'refused', 'prompt_rejected'],
    [503, 'not-taken', 'provider_unavailable'],
    [400, undefined, 'invalid_request'],
  ]);
});

test.each([
  ['/health', 20],
  ['/health/live', 20],
  ['/metrics', 20],
  ['/images/metrics', 30],
  ['/healthy', 30],
  ['/media/%zz?key=secret', 30],
])('%s is logged at level %i', async (path, level) => {
  await using http = await openHttpApp();
  await request(http.app.server).get(path);
  await until(() => http.log.some(({ msg }) => msg === 'request'));
  expect(http.log.filter(({ msg }) => msg === 'request')).toMatchObject([{ level, url: path.split('?')[0] }]);
});

test.each([
  ['order-42', true],
  ['4bf92f35/77b34:da6.a_3@x=+', true],
  ['a'.repeat(128), true],
  ['a'.repeat(129), false],
  ['', false],
  ['two words', false],
  ['"quoted"', false],
  ['é', false],
])('the x-request-id %s is kept: %s', async (id, kept) => {
  await using http = await openHttpApp();
  const answer = await request(http.app.server).get('/nope').set('X-Request-Id', id);
  expect(answer.headers['x-request-id'] === id).toBe(kept);
  expect(answer.body.requestId).toBe(answer.headers['x-request-id']);
  expect(answer.headers['x-request-id']).toMatch(/^\S+$/);
});
