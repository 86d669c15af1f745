import request from 'supertest';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { createImage } from '../../../../src/api/create-image.ts';
import { type HttpApp, openHttpApp } from '../../../support/app/http-app.ts';

let http: HttpApp;
const api = () => request(http.app.server);

beforeAll(async () => {
  http = await openHttpApp();
});
afterAll(() => http[Symbol.asyncDispose]());
beforeEach(() => {
  http.images.submitted.length = 0;
});

const prompt = 'a lighthouse';

describe('a valid request', () => {
  test('reaches the use case with parsed sizes, without blank parts of the brief, and with nothing added', async () => {
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
        caller: { name: 'anonymous', seesAll: true, admin: true },
        key: 'key-1',
      },
    ]);
  });

  test.each([
    ['a mediaId of 128 characters', { prompt, mediaId: 'a'.repeat(128) }],
    ['a mediaId with every legal character', { prompt, mediaId: '0-a_b.c' }],
    ['a prompt longer than any model takes, whose limit the model decides', { prompt: 'x'.repeat(40_000) }],
    ['the least and the largest size', { prompt, size: '16x4096' }],
    ['no renditions', { prompt, renditions: [] }],
    ['metadata keys that every object inherits', { prompt, metadata: { constructor: 'a', toString: 'b' } }],
    ['an emoji', { prompt: '🗼' }],
    ['no inputs', { prompt, inputs: [], mask: null, partials: 0 }],
    ['the most inputs', { prompt, inputs: Array.from({ length: 64 }, () => ({ mediaId: 'a' })), partials: 3 }],
    [
      'null for everything that is left out',
      {
        prompt,
        ...Object.fromEntries(
          Object.keys(createImage.shape)
            .filter((field) => field !== 'prompt')
            .map((field) => [field, null]),
        ),
      },
    ],
    ['null for the prompt beside a brief', { prompt: null, brief: { subject: 'x' } }],
  ])('%s is accepted', async (_what, body) => {
    await api().post('/images').set('Prefer', 'respond-async').send(body).expect(202);
  });
});

describe('an invalid request', () => {
  test.each<[string, unknown, string[], RegExp]>([
    ['no prompt and no brief', {}, ['prompt'], /give `prompt` or `brief`/],
    ['null for both', { prompt: null, brief: null }, ['prompt'], /give `prompt` or `brief`/],
    ['both', { prompt, brief: { subject: 'x' } }, ['brief'], /one of them/],
    ['a blank prompt', { prompt: ' \n' }, ['prompt'], /blank/],
    ['a prompt that is no string', { prompt: 7 }, ['prompt'], /expected string/],
    ['a prompt with NUL', { prompt: 'a\0b' }, ['prompt'], /NUL/],
    ['a lone surrogate', { prompt: 'a\ud800' }, ['prompt'], /Unicode/],
    ['an empty brief', { brief: {} }, ['brief'], /say something/],
    ['a brief of blanks', { brief: { subject: ' ', avoid: [' '] } }, ['brief'], /say something/],
    ['an unknown part of the brief', { brief: { subject: 'x', subjekt: 'x' } }, ['brief.subjekt'], /not a known field/],
    ['size 0x0', { prompt, size: '0x0' }, ['size'], /16 to 4096/],
    ['size with a multiplication sign', { prompt, size: '1792×1024' }, ['size'], /the letter x/],
    ['size 99999x99999', { prompt, size: '99999x99999' }, ['size'], /16 to 4096/],
    ['size 1000x10', { prompt, size: '1000x10' }, ['size'], /16 to 4096/],
    ['size as an object', { prompt, size: { width: 1, height: 1 } }, ['size'], /expected string/],
    ['mediaId ../etc/passwd', { prompt, mediaId: '../../etc/passwd' }, ['mediaId'], /1 to 128/],
    ['mediaId A B', { prompt, mediaId: 'A B' }, ['mediaId'], /1 to 128/],
    ['mediaId .', { prompt, mediaId: '.' }, ['mediaId'], /1 to 128/],
    ['mediaId a..b', { prompt, mediaId: 'a..b' }, ['mediaId'], /1 to 128/],
    ['mediaId ending in a dot', { prompt, mediaId: 'a.' }, ['mediaId'], /1 to 128/],
    ['an empty mediaId', { prompt, mediaId: '' }, ['mediaId'], /1 to 128/],
    ['mediaId of 129 characters', { prompt, mediaId: 'a'.repeat(129) }, ['mediaId'], /1 to 128/],
    ['mediaId with NUL', { prompt, mediaId: 'a\0' }, ['mediaId'], /1 to 128/],
    ['mediaId with a line break', { prompt, mediaId: 'a\n' }, ['mediaId'], /1 to 128/],
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
    ['inputs that are no list', { prompt, inputs: { mediaId: 'a' } }, ['inputs'], /expected array/],
    ['an input that is a text', { prompt, inputs: ['a'] }, ['inputs.0'], /expected object/],
    ['an input without a way', { prompt, inputs: [{ mediaId: 'a' }, {}] }, ['inputs.1'], /exactly one of .* has none/],
    [
      'an input with two ways',
      { prompt, inputs: [{ mediaId: 'a', url: 'https://example.com/a.png' }] },
      ['inputs.0'],
      /exactly one of mediaId, url, file and sha256, and has mediaId and url/,
    ],
    ['an input with an unknown field', { prompt, inputs: [{ path: '/etc/passwd' }] }, ['inputs.0.path'], /not a known/],
    ['an input with null', { prompt, inputs: [{ mediaId: null }] }, ['inputs.0.mediaId'], /expected string/],
    ['an input of a file URL', { prompt, inputs: [{ url: 'file:///etc/passwd' }] }, ['inputs.0.url'], /http or https/],
    ['an input with a short sha256', { prompt, inputs: [{ sha256: 'abc' }] }, ['inputs.0.sha256'], /64 hexadecimal/],
    ['an input with bytes', { prompt, inputs: [{ file: 'a', bytes: [1] }] }, ['inputs.0.bytes'], /not a known field/],
    ['65 inputs', { prompt, inputs: Array.from({ length: 65 }, () => ({ mediaId: 'a' })) }, ['inputs'], /at most 64/],
    [
      'a mask with two ways',
      { prompt, inputs: [{ mediaId: 'a' }], mask: { file: 'm', mediaId: 'b' } },
      ['mask'],
      /exactly/,
    ],
    ['a mask without inputs', { prompt, mask: { mediaId: 'a' } }, ['mask'], /must come with `inputs`/],
    ['a mask beside no inputs', { prompt, inputs: [], mask: { mediaId: 'a' } }, ['mask'], /must come with `inputs`/],
    ['four partial pictures', { prompt, partials: 4 }, ['partials'], /3/],
    ['partials that are no number', { prompt, partials: '2' }, ['partials'], /number/],
    ['half a partial picture', { prompt, partials: 0.5 }, ['partials'], /int/],
    ['an unknown quality', { prompt, quality: 'best' }, ['quality'], /"auto"/],
    ['an unknown format', { prompt, format: 'gif' }, ['format'], /"png"/],
    [
      '17 metadata pairs',
      { prompt, metadata: Object.fromEntries([...Array(17)].map((_, i) => [`k${i}`, 'v'])) },
      ['metadata'],
      /16/,
    ],
    ['metadata that is no string', { prompt, metadata: { a: 1 } }, ['metadata.a'], /expected string/],
    ['ttlSeconds 0', { prompt, ttlSeconds: 0 }, ['ttlSeconds'], />0/],
    ['ttlSeconds of a century', { prompt, ttlSeconds: 3_153_600_000 }, ['ttlSeconds'], /<=315360000/],
    ['ttlSeconds with a fraction', { prompt, ttlSeconds: 1.5 }, ['ttlSeconds'], /int/],
    ['a webhook that is no URL', { prompt, webhookUrl: 'example.com' }, ['webhookUrl'], /http or https/],
    ['a webhook by ftp', { prompt, webhookUrl: 'ftp://example.com' }, ['webhookUrl'], /http or https/],
    ['a webhook as a record shows it', { prompt, webhookUrl: 'https://a.example/…' }, ['webhookUrl'], /whole URL/],
    ['labels twice', { prompt, labels: ['a', 'a'] }, ['labels'], /twice/],
    ['an unknown field', { prompt, sise: '16x16' }, ['sise'], /not a known field/],
    ['several errors', { prompt, size: '1', colour: 'red', n: 2 }, ['size', 'colour', 'n'], /./],
    ['a list', [prompt], ['body'], /must be a JSON object/],
    ['null', null, ['body'], /must be a JSON object/],
  ])('with %s is a 400 that names the wrong paths', async (_what, body, paths, message) => {
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
  ])('with %s is a 400', async (_what, key) => {
    const answer = await api().post('/images').set('Idempotency-Key', key).send({ prompt }).expect(400);
    expect(answer.body.errors[0].path).toBe('idempotency-key');
  });

  test.each([
    'limit=0',
    'limit=101',
    'limit=ten',
    'status=done',
    'status=failed&status=done',
    'status=',
    'nope=1',
    'label=',
  ])('GET /images?%s is a 400', async (query) => {
    const answer = await api().get(`/images?${query}`).expect(400);
    // A list's wrong item is named by its place.
    expect(answer.body.errors[0].path.split('.')[0]).toBe(query.split('=')[0]);
    expect(answer.body.instance).toBe('/images');
  });

  test.each([
    ['/images', 'limit', 100],
    ['/usage', 'days', 366],
  ])('GET %s says which numbers it takes as %s', async (path, name, most) => {
    const message = `must be a whole number from 1 to ${most}`;
    for (const value of ['', 'ten', '0', '1.5', String(most + 1)]) {
      const answer = await api().get(`${path}?${name}=${value}`).expect(400);
      expect(answer.body.errors).toEqual([{ path: name, message }]);
    }
  });
});
