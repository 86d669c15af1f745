import { once } from 'node:events';
import { connect } from 'node:net';
import request from 'supertest';
import { afterAll, beforeAll, beforeEach, describe, expect, test, vi } from 'vitest';
import { ImageError } from '../../../src/core/domain/errors.ts';
import { fileUrls, toRecord } from '../../../src/core/domain/record.ts';
import { exampleImage } from '../../support/app/fake-images.ts';
import { type HttpApp, openHttpApp } from '../../support/app/http-app.ts';

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

describe('what a request means', () => {
  test('comes to the use case with its sizes read, blank parts of the brief dropped and nothing added', async () => {
    await api()
      .post('/images')
      .set('Prefer', 'respond-async')
      .set('Idempotency-Key', 'key-1')
      .send({
        mediaId: 'article-42.hero_1',
        brief: { subject: 'a lighthouse', mood: ' ', palette: ['', 'teal'], avoid: [] },
        size: '1792x1024',
        renditions: ['1200x675.png', '600x338.avif'],
        metadata: { articleId: '42' },
        labels: ['blog'],
        ttlSeconds: 60,
        webhookUrl: 'http://localhost:9000/hook',
      })
      .expect(202);
    expect(http.images.submitted).toEqual([
      {
        request: {
          mediaId: 'article-42.hero_1',
          brief: { subject: 'a lighthouse', palette: ['teal'] },
          size: { width: 1792, height: 1024 },
          renditions: [
            { width: 1200, height: 675, format: 'png' },
            { width: 600, height: 338, format: 'avif' },
          ],
          metadata: { articleId: '42' },
          labels: ['blog'],
          ttlSeconds: 60,
          webhookUrl: 'http://localhost:9000/hook',
        },
        caller: { name: 'anonymous', admin: true },
        key: 'key-1',
      },
    ]);
  });

  test.each([
    ['a mediaId of 128 characters', { prompt, mediaId: 'a'.repeat(128) }],
    ['a mediaId with every legal sign', { prompt, mediaId: '0-a_b.c' }],
    ['a prompt beyond what any model takes, which is the model’s to refuse', { prompt: 'x'.repeat(40_000) }],
    ['the least and the largest size', { prompt, size: '16x4096' }],
    ['no renditions', { prompt, renditions: [] }],
    ['metadata keys that objects have by birth', { prompt, metadata: { constructor: 'a', toString: 'b' } }],
    ['an emoji', { prompt: '🗼' }],
  ])('%s is fine', async (_what, body) => {
    await api().post('/images').set('Prefer', 'respond-async').send(body).expect(202);
  });
});

describe('bad input', () => {
  test.each<[string, unknown, string[], RegExp]>([
    ['no prompt and no brief', {}, ['prompt'], /give `prompt` or `brief`/],
    ['both', { prompt, brief: { subject: 'x' } }, ['brief'], /one of them/],
    ['a blank prompt', { prompt: ' \n' }, ['prompt'], /blank/],
    ['a prompt that is no text', { prompt: 7 }, ['prompt'], /expected string/],
    ['a prompt with NUL', { prompt: 'a\0b' }, ['prompt'], /NUL/],
    ['half a surrogate pair', { prompt: 'a\ud800' }, ['prompt'], /Unicode/],
    ['an empty brief', { brief: {} }, ['brief'], /say something/],
    ['a brief of blanks', { brief: { subject: ' ', avoid: [' '] } }, ['brief'], /say something/],
    ['an unknown part of the brief', { brief: { subject: 'x', subjekt: 'x' } }, ['brief.subjekt'], /not a known field/],
    ['size 0x0', { prompt, size: '0x0' }, ['size'], /16 to 4096/],
    ['size with a multiplication sign', { prompt, size: '1792×1024' }, ['size'], /the letter x/],
    ['size 99999x99999', { prompt, size: '99999x99999' }, ['size'], /16 to 4096/],
    ['size 1000x10', { prompt, size: '1000x10' }, ['size'], /16 to 4096/],
    ['size as an object', { prompt, size: { width: 1, height: 1 } }, ['size'], /expected string/],
    ['mediaId ../etc/passwd', { prompt, mediaId: '../etc/passwd' }, ['mediaId'], /1 to 128/],
    ['mediaId A B', { prompt, mediaId: 'A B' }, ['mediaId'], /1 to 128/],
    ['mediaId .', { prompt, mediaId: '.' }, ['mediaId'], /1 to 128/],
    ['mediaId a..b', { prompt, mediaId: 'a..b' }, ['mediaId'], /1 to 128/],
    ['mediaId ending in a dot', { prompt, mediaId: 'a.' }, ['mediaId'], /1 to 128/],
    ['an empty mediaId', { prompt, mediaId: '' }, ['mediaId'], /1 to 128/],
    ['mediaId of 129 characters', { prompt, mediaId: 'a'.repeat(129) }, ['mediaId'], /1 to 128/],
    ['mediaId with NUL', { prompt, mediaId: 'a\0' }, ['mediaId'], /1 to 128/],
    ['mediaId with a line end', { prompt, mediaId: 'a\n' }, ['mediaId'], /1 to 128/],
    [
      'a rendition of 50000 px',
      { prompt, renditions: ['1x1.png', '50000x50.png'] },
      ['renditions.0', 'renditions.1'],
      /16 to/,
    ],
    [
      'a rendition of an unknown format',
      { prompt, renditions: ['20x20.gif'] },
      ['renditions.0'],
      /WIDTHxHEIGHT.FORMAT/,
    ],
    ['the same rendition twice', { prompt, renditions: ['20x20.png', '020x20.png'] }, ['renditions'], /twice/],
    [
      'nine renditions',
      { prompt, renditions: [20, 21, 22, 23, 24, 25, 26, 27, 28].map((w) => `${w}x20.png`) },
      ['renditions'],
      /8/,
    ],
    ['an unknown quality', { prompt, quality: 'best' }, ['quality'], /"auto"/],
    ['an unknown format', { prompt, format: 'gif' }, ['format'], /"png"/],
    [
      '17 metadata pairs',
      { prompt, metadata: Object.fromEntries([...Array(17)].map((_, i) => [`k${i}`, 'v'])) },
      ['metadata'],
      /16/,
    ],
    ['metadata that is no text', { prompt, metadata: { a: 1 } }, ['metadata.a'], /expected string/],
    ['ttlSeconds 0', { prompt, ttlSeconds: 0 }, ['ttlSeconds'], />0/],
    ['ttlSeconds of a century', { prompt, ttlSeconds: 3_153_600_000 }, ['ttlSeconds'], /<=315360000/],
    ['ttlSeconds with a fraction', { prompt, ttlSeconds: 1.5 }, ['ttlSeconds'], /int/],
    ['a webhook that is no URL', { prompt, webhookUrl: 'example.com' }, ['webhookUrl'], /http or https/],
    ['a webhook by ftp', { prompt, webhookUrl: 'ftp://example.com' }, ['webhookUrl'], /http or https/],
    ['labels twice', { prompt, labels: ['a', 'a'] }, ['labels'], /twice/],
    ['an unknown field', { prompt, sise: '16x16' }, ['sise'], /not a known field/],
    ['several faults', { prompt, size: '1', colour: 'red', n: 2 }, ['size', 'colour', 'n'], /./],
    ['a list', [prompt], ['body'], /expected object/],
    ['null', null, ['body'], /expected object/],
  ])('%s is a 400 that names it', async (_what, body, paths, message) => {
    const answer = await api().post('/images').type('json').send(JSON.stringify(body)).expect(400);
    expect(answer.headers['content-type']).toBe('application/problem+json');
    expect(answer.body).toMatchObject({
      type: 'urn:easel:problem:invalid_request',
      status: 400,
      code: 'invalid_request',
      instance: '/images',
      requestId: answer.headers['x-request-id'],
    });
    const errors: { path: string; message: string }[] = answer.body.errors;
    expect(errors.map(({ path }) => path).sort()).toEqual([...paths].sort());
    for (const error of errors) expect(error.message).toMatch(message);
    expect(http.images.submitted).toEqual([]);
  });

  test.each([
    ['an Idempotency-Key with a space', 'a b'],
    ['an Idempotency-Key beyond ASCII', 'é'],
    ['an Idempotency-Key of 256 characters', 'a'.repeat(256)],
  ])('%s is a 400', async (_what, key) => {
    const answer = await api().post('/images').set('Idempotency-Key', key).send({ prompt }).expect(400);
    expect(answer.body.errors[0].path).toBe('idempotency-key');
  });

  test.each(['limit=0', 'limit=101', 'limit=ten', 'status=done', 'nope=1', 'label='])(
    'GET /images?%s is a 400',
    async (query) => {
      const answer = await api().get(`/images?${query}`).expect(400);
      expect(answer.body.errors[0].path).toBe(query.split('=')[0]);
      expect(answer.body.instance).toBe('/images');
    },
  );
});

describe('waiting', () => {
  test('201 with the record when this call set the work going', async () => {
    http.images.onSubmit = () => ({ image: exampleImage({ mediaId: 'a', status: 'queued' }), started: true });
    http.images.settle('a', {});
    const answer = await api().post('/images').send({ prompt }).expect(201);
    expect(answer.body).toEqual(JSON.parse(JSON.stringify(toRecord(exampleImage({ mediaId: 'a' }), fileUrls))));
    expect(answer.headers.location).toBe('/images/a');
    expect(answer.headers['preference-applied']).toBeUndefined();
    expect(http.images.waits[0]).toMatchObject({ mediaId: 'a', timeoutMs: 120_000 });
  });

  test('200 when the work was done before, or was another’s that this call joined', async () => {
    http.images.settle('done', {});
    await api().post('/images').send({ prompt, mediaId: 'done' }).expect(200);
    expect(http.images.waits).toEqual([]);

    http.images.settle('joined', {});
    http.images.onSubmit = () => ({ image: exampleImage({ mediaId: 'joined', status: 'generating' }), started: false });
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
  ])('202 when it is still running, with Prefer: %s', async (prefer, waits, applied) => {
    const running = exampleImage({
      mediaId: 'slow',
      status: 'generating',
      master: null,
      renditions: [],
      completedAt: null,
    });
    http.images.onSubmit = () => ({ image: running, started: true });
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

  test('a preference not to wait made no difference to work that was done already', async () => {
    http.images.settle('done', {});
    const answer = await api()
      .post('/images')
      .set('Prefer', 'respond-async')
      .send({ prompt, mediaId: 'done' })
      .expect(200);
    expect(answer.headers['preference-applied']).toBeUndefined();
  });

  test('a failed picture is the problem of its error, with its mediaId', async () => {
    http.images.settle('bad', { status: 'failed', error: { code: 'provider_unavailable', detail: 'openai is down' } });
    const answer = await api().post('/images').send({ prompt, mediaId: 'bad' }).expect(503);
    expect(answer.body).toMatchObject({
      code: 'provider_unavailable',
      detail: 'openai is down',
      mediaId: 'bad',
      retryAfter: 30,
    });
    expect(answer.headers['retry-after']).toBe('30');
  });

  test('a cancelled picture is its record', async () => {
    http.images.onSubmit = () => ({ image: exampleImage({ mediaId: 'off', status: 'queued' }), started: true });
    http.images.settle('off', { status: 'cancelled' });
    const answer = await api().post('/images').send({ prompt }).expect(200);
    expect(answer.body.status).toBe('cancelled');
  });

  test('a picture that was deleted meanwhile is not found', async () => {
    http.images.onSubmit = () => ({ image: exampleImage({ mediaId: 'gone', status: 'queued' }), started: true });
    const answer = await api().post('/images').send({ prompt }).expect(404);
    expect(answer.body).toMatchObject({ code: 'not_found', mediaId: 'gone' });
  });

  test('a client that leaves ends its own wait and is logged as gone', async () => {
    const body = JSON.stringify({ prompt, mediaId: 'left' });
    const socket = connect(http.port, '127.0.0.1');
    socket.write(
      `POST /images HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: ${body.length}\r\n\r\n${body}`,
    );
    await vi.waitUntil(() => http.images.waits.length === 1);
    const [wait] = http.images.waits;
    expect(wait?.signal.aborted).toBe(false);
    socket.destroy();
    await once(wait?.signal as AbortSignal, 'abort');
    await vi.waitUntil(() => http.log.some(({ status }) => status === 499));
    expect(http.images.stored.get('left')?.status).toBe('queued');
  });

  test('an error of the use case is answered with all it says', async () => {
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

describe('records', () => {
  test('one, by HEAD too', async () => {
    http.images.settle('a', {});
    const answer = await api().get('/images/a').expect(200);
    expect(answer.body).toEqual(JSON.parse(JSON.stringify(toRecord(exampleImage({ mediaId: 'a' }), fileUrls))));
    await api().head('/images/a').expect(200);
  });

  test('a list', async () => {
    http.images.settle('a', {});
    const answer = await api().get('/images?limit=5&status=succeeded&label=blog&cursor=abc').expect(200);
    expect(answer.body).toMatchObject({ items: [{ mediaId: 'a' }], nextCursor: null });
    expect(http.images.listed.at(-1)).toEqual({ limit: 5, status: 'succeeded', label: 'blog', cursor: 'abc' });
    await api().get('/images').expect(200);
    expect(http.images.listed.at(-1)).toEqual({ limit: 20 });
  });

  test('delete, once', async () => {
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
  ])('there is no image whose mediaId has %s', async (_what, mediaId) => {
    const answer = await api().get(`/images/${mediaId}`).expect(404);
    expect(answer.body.code).toBe('not_found');
  });
});
