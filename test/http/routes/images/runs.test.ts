import { once } from 'node:events';
import { connect } from 'node:net';
import request from 'supertest';
import { afterAll, beforeAll, beforeEach, describe, expect, test, vi } from 'vitest';
import { ImageError } from '../../../../src/core/domain/errors.ts';
import { exampleImage, exampleRecord } from '../../../support/app/fake-images.ts';
import { type HttpApp, openHttpApp } from '../../../support/app/http-app.ts';
import { until } from '../../../support/until.ts';

let http: HttpApp;
const api = () => request(http.app.server);

beforeAll(async () => {
  http = await openHttpApp();
});
afterAll(() => http[Symbol.asyncDispose]());
beforeEach(() => {
  http.images.onSubmit = null;
  http.images.stored.clear();
  http.images.submitted.length = 0;
  http.images.waits.length = 0;
});

const prompt = 'a lighthouse';

describe('POST /images', () => {
  test('answers 201 with the record when this request started the work', async () => {
    http.images.onSubmit = () => ({
      image: exampleImage({ mediaId: 'a', status: 'queued' }),
      started: true,
      replayed: false,
    });
    http.images.settle('a', {});
    const answer = await api().post('/images').send({ prompt }).expect(201);
    expect(answer.body).toEqual(JSON.parse(JSON.stringify(await exampleRecord(exampleImage({ mediaId: 'a' })))));
    expect(answer.headers.location).toBe('/images/a');
    expect(answer.headers['preference-applied']).toBeUndefined();
    expect(http.images.waits[0]).toMatchObject({ mediaId: 'a', timeoutMs: 120_000 });
  });

  test('answers 200 when the image was finished before, or another request had started it', async () => {
    http.images.settle('done', {});
    await api().post('/images').send({ prompt, mediaId: 'done' }).expect(200);
    expect(http.images.waits).toEqual([]);

    http.images.settle('joined', {});
    http.images.onSubmit = () => ({
      image: exampleImage({ mediaId: 'joined', status: 'generating' }),
      started: false,
      replayed: false,
    });
    await api().post('/images').send({ prompt }).expect(200);
  });

  test.each([
    ['respond-async', [], 'respond-async'],
    ['wait=0', [], 'wait=0'],
    ['wait=7', [7_000], 'wait=7'],
    ['respond-async, wait=7', [7_000], 'respond-async, wait=7'],
    ['wait=100000', [120_000], 'wait=120'],
    ['wait=soon', [120_000], undefined],
    ['handling=lenient', [120_000], undefined],
  ])('answers 202 while the image is unfinished, with Prefer: %s', async (prefer, waits, applied) => {
    const running = exampleImage({
      mediaId: 'slow',
      status: 'generating',
      master: null,
      renditions: [],
      completedAt: null,
    });
    http.images.onSubmit = () => ({ image: running, started: true, replayed: false });
    const waiting = vi
      .spyOn(http.images, 'waitUntilFinished')
      .mockImplementation(async (mediaId, timeoutMs, signal) => {
        http.images.waits.push({ mediaId, timeoutMs, signal });
        return running;
      });
    const answer = await api().post('/images').set('Prefer', prefer).send({ prompt }).expect(202);
    waiting.mockRestore();
    expect(http.images.waits.map(({ timeoutMs }) => timeoutMs)).toEqual(waits);
    expect(answer.headers.location).toBe('/images/slow');
    expect(answer.headers['retry-after']).toBe('5');
    expect(answer.headers['preference-applied']).toBe(applied);
    expect(answer.body).toMatchObject({ status: 'generating', url: null, sha256: null });
  });

  test('does not report respond-async as applied to an image that was finished already', async () => {
    http.images.settle('done', {});
    const answer = await api()
      .post('/images')
      .set('Prefer', 'respond-async')
      .send({ prompt, mediaId: 'done' })
      .expect(200);
    expect(answer.headers['preference-applied']).toBeUndefined();
  });

  const FAILED = {
    status: 'failed',
    error: { code: 'provider_unavailable', detail: 'openai is down' },
    attempts: [],
  } as const;

  test('answers an image that fails with the problem of its error and its mediaId', async () => {
    const queued = exampleImage({ mediaId: 'bad', status: 'queued' });
    for (const started of [true, false]) {
      http.images.onSubmit = () => ({ image: queued, started, replayed: false });
      http.images.settle('bad', FAILED);
      const answer = await api().post('/images').send({ prompt }).expect(503);
      expect(answer.body).toMatchObject({
        code: 'provider_unavailable',
        detail: 'openai is down',
        mediaId: 'bad',
        retryAfter: 30,
      });
      expect(answer.headers['retry-after']).toBe('30');
    }
  });

  test.each([[undefined], ['respond-async'], ['wait=0']])(
    'answers one that had failed for good with the same problem, and with what runs it again; Prefer: %s',
    async (prefer) => {
      const attempts = exampleImage().attempts.map((attempt) => ({ ...attempt, outcome: 'unknown' as const }));
      http.images.settle('bad', { ...FAILED, attempts });
      const asked = api().post('/images');
      if (prefer !== undefined) asked.set('Prefer', prefer);
      const { body } = await asked.send({ prompt, mediaId: 'bad' }).expect(503);
      expect([body.code, body.mediaId]).toEqual(['provider_unavailable', 'bad']);
      expect(body.detail).toMatch(/^openai is down; .*nothing was called.*POST \/images\/bad\/retry .*may cost again$/);
    },
  );

  test('does not say that a failure is final which another request ran into meanwhile', async () => {
    http.images.onSubmit = () => ({
      image: exampleImage({ mediaId: 'bad', ...FAILED }),
      started: false,
      replayed: false,
    });
    const { body } = await api().post('/images').send({ prompt }).expect(503);
    expect(body.detail).toBe('openai is down');
  });

  test('answers a cancelled image with its record', async () => {
    http.images.onSubmit = () => ({
      image: exampleImage({ mediaId: 'off', status: 'queued' }),
      started: true,
      replayed: false,
    });
    http.images.settle('off', { status: 'cancelled' });
    const answer = await api().post('/images').send({ prompt }).expect(200);
    expect(answer.body.status).toBe('cancelled');
  });

  test('answers 404 when the image was deleted during the wait', async () => {
    http.images.onSubmit = () => ({
      image: exampleImage({ mediaId: 'gone', status: 'queued' }),
      started: true,
      replayed: false,
    });
    const answer = await api().post('/images').send({ prompt }).expect(404);
    expect(answer.body).toMatchObject({ code: 'not_found', mediaId: 'gone' });
  });

  test("answers 404 when the image was deleted during the wait, and another key's has its mediaId", async () => {
    const image = exampleImage({ mediaId: 'again', status: 'queued' });
    http.images.onSubmit = () => ({ image, started: true, replayed: false });
    const waiting = vi
      .spyOn(http.images, 'waitUntilFinished')
      .mockResolvedValue(exampleImage({ mediaId: 'again', owner: 'shop' }));
    const answer = await api().post('/images').send({ prompt }).expect(404);
    waiting.mockRestore();
    expect(answer.body).toMatchObject({ code: 'not_found', mediaId: 'again' });
  });

  test('ends the wait but not the work when the client disconnects, and logs status 499', async () => {
    const body = JSON.stringify({ prompt, mediaId: 'left' });
    const socket = connect(http.port, '127.0.0.1');
    socket.write(
      `POST /images HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: ${body.length}\r\n\r\n${body}`,
    );
    await until(() => http.images.waits.length === 1);
    const [wait] = http.images.waits;
    expect(wait?.signal.aborted).toBe(false);
    socket.destroy();
    await once(wait?.signal as AbortSignal, 'abort');
    await until(() => http.log.some(({ status }) => status === 499));
    expect(http.images.stored.get('left')?.status).toBe('queued');
  });

  test('answers an ImageError with everything it holds', async () => {
    http.images.onSubmit = () => {
      throw new ImageError('queue_full', '3 images wait already', {
        retryAfterSeconds: 1.2,
        mediaId: 'm',
        paths: [{ path: 'size', message: 'too large' }],
      });
    };
    const answer = await api().post('/images').send({ prompt }).expect(429);
    expect(answer.headers['retry-after']).toBe('2');
    expect(answer.body).toEqual({
      type: 'urn:easel:problem:queue_full',
      title: 'The queue is full',
      status: 429,
      detail: '3 images wait already',
      instance: '/images',
      code: 'queue_full',
      requestId: answer.headers['x-request-id'],
      errors: [{ path: 'size', message: 'too large' }],
      retryAfter: 2,
      mediaId: 'm',
    });
  });
});

describe('POST /images/:mediaId/retry', () => {
  const failed = () =>
    http.images.settle('a', { status: 'failed', error: { code: 'provider_timeout', detail: 'too slow' } });
  const DONE = { status: 'succeeded', error: null } as const;

  test('waits for the end and answers 201 with the record', async () => {
    failed();
    const answer = api()
      .post('/images/a/retry')
      .expect(201)
      .then(({ body, headers }) => ({ body, headers }));
    await until(() => http.images.waits.length === 1);
    expect(http.images.waits[0]).toMatchObject({ mediaId: 'a', timeoutMs: 120_000 });
    http.images.settle('a', DONE);
    expect((await answer).headers.location).toBe('/images/a');
    expect((await answer).body).toMatchObject({ mediaId: 'a', status: 'succeeded' });
  });

  test('answers as preferred with 202, and the run that fails with its problem', async () => {
    failed();
    const { headers, body } = await api().post('/images/a/retry').set('Prefer', 'respond-async').expect(202);
    expect([headers.location, headers['retry-after'], headers['preference-applied']]).toEqual([
      '/images/a',
      '5',
      'respond-async',
    ]);
    expect(body.status).toBe('queued');

    failed();
    const answer = api()
      .post('/images/a/retry')
      .set('Prefer', 'wait=7')
      .expect(504)
      .then((sent) => sent);
    await until(() => http.images.waits.length === 1);
    failed();
    expect((await answer).body).toMatchObject({ code: 'provider_timeout', detail: 'too slow', mediaId: 'a' });
    expect((await answer).headers['preference-applied']).toBe('wait=7');
  });

  const LENGTH_0 = 'Content-Length: 0\r\n';
  test.each([
    ['without a body or a type', LENGTH_0],
    ['without any header of a body', ''],
    ['with an empty body of JSON', `${LENGTH_0}Content-Type: application/json\r\n`],
    ['with an empty body of text, as `fetch` sends it', `${LENGTH_0}Content-Type: text/plain;charset=UTF-8\r\n`],
    ['with an empty form, as curl sends it', `${LENGTH_0}Content-Type: application/x-www-form-urlencoded\r\n`],
    ['with {}', 'Content-Type: application/json\r\nContent-Length: 2\r\n', '{}'],
  ])('takes a request %s', async (_what, headers, body = '') => {
    failed();
    const head = 'POST /images/a/retry HTTP/1.1\r\nHost: x\r\nConnection: close\r\nPrefer: respond-async\r\n';
    expect(await http.raw(`${head}${headers}\r\n${body}`)).toMatch(/^HTTP\/1\.1 202 /);
  });

  test.each([
    ['a field', '{"prompt":"another"}', 'prompt'],
    ['a list', '[]', 'body'],
    ['text', '"again"', 'body'],
    ['no JSON', '{', undefined],
  ])('refuses %s in the body', async (_what, body, path) => {
    failed();
    const answer = await api().post('/images/a/retry').type('json').send(body).expect(400);
    expect([answer.body.code, answer.body.errors?.[0]?.path]).toEqual(['invalid_request', path]);
    expect(http.images.stored.get('a')?.status).toBe('failed');
  });

  test('is a 404 without such an image, and a 409 where there is nothing to run again', async () => {
    expect((await api().post('/images/a/retry').expect(404)).body.code).toBe('not_found');
    http.images.settle('a', {});
    expect((await api().post('/images/a/retry').expect(409)).body.code).toBe('not_retryable');
  });
});
