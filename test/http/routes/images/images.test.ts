import request from 'supertest';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { exampleImage, exampleRecord } from '../../../support/app/fake-images.ts';
import { type HttpApp, openHttpApp } from '../../../support/app/http-app.ts';

let http: HttpApp;
const api = () => request(http.app.server);

beforeAll(async () => {
  http = await openHttpApp();
});
afterAll(() => http[Symbol.asyncDispose]());
beforeEach(() => http.images.stored.clear());

describe('records', () => {
  test('GET and HEAD of one', async () => {
    http.images.settle('a', {});
    const answer = await api().get('/images/a').expect(200);
    expect(answer.body).toEqual(JSON.parse(JSON.stringify(await exampleRecord(exampleImage({ mediaId: 'a' })))));
    await api().head('/images/a').expect(200);
  });

  test('a list, with its filters passed on', async () => {
    http.images.settle('a', {});
    const answer = await api().get('/images?limit=5&status=succeeded&label=blog&cursor=abc').expect(200);
    expect(answer.body).toMatchObject({ items: [{ mediaId: 'a' }], nextCursor: null });
    expect(http.images.listed.at(-1)).toEqual({ limit: 5, status: ['succeeded'], label: ['blog'], cursor: 'abc' });
    await api().get('/images?status=failed&status=cancelled&status=failed').expect(200);
    expect(http.images.listed.at(-1)).toEqual({ limit: 20, status: ['failed', 'cancelled'] });
    await api().get('/images?label=b&label=a&label=b&preset=icon&q=%25%20x').expect(200);
    expect(http.images.listed.at(-1)).toEqual({ limit: 20, label: ['b', 'a'], preset: 'icon', q: '% x' });
    await api()
      .get(`/images?q=${'x'.repeat(200)}`)
      .expect(200);
    await api().get('/images').expect(200);
    expect(http.images.listed.at(-1)).toEqual({ limit: 20 });
  });

  test('the labels', async () => {
    const answer = await api().get('/labels').expect(200);
    expect(answer.body).toEqual({ items: [{ label: 'blog', images: 2 }] });
  });

  test.each([
    ['q', 'q='],
    ['q', 'q=%20%09'],
    ['q', `q=${'x'.repeat(201)}`],
    ['q', 'q=a&q=b'],
    ['q', 'q=%00'],
    ['preset', 'preset='],
    ['preset', 'preset=a&preset=b'],
    ['label', 'label='],
    ['label.1', 'label=a&label=%20'],
    ['label', `label=${Array.from({ length: 17 }, (_, n) => n).join('&label=')}`],
    ['label.0', `label=${'x'.repeat(65)}`],
  ])('a list with a wrong %s is a 400 that names it: %s', async (path, query) => {
    const answer = await api().get(`/images?${query}`).expect(400);
    expect(answer.body).toMatchObject({ code: 'invalid_request', errors: [{ path: expect.stringContaining(path) }] });
  });

  test('are deleted once; then 404', async () => {
    http.images.settle('a', {});
    const answer = await api().delete('/images/a').type('json').expect(204);
    expect(answer.text).toBe('');
    const again = await api().delete('/images/a').expect(404);
    expect(again.body.code).toBe('not_found');
  });

  test.each([
    ['a space', 'A%20B'],
    ['a path', '..%2f..%2fetc%2fpasswd'],
    ['NUL', '%00'],
    ['400 characters', 'x'.repeat(400)],
    ['2000 characters', 'x'.repeat(2000)],
  ])('a mediaId with %s is a 404', async (_what, mediaId) => {
    const answer = await api().get(`/images/${mediaId}`).expect(404);
    expect(answer.body.code).toBe('not_found');
  });
});
