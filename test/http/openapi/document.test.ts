import request from 'supertest';
import { describe, expect, test } from 'vitest';
import { z } from 'zod';
import { createImage } from '../../../src/api/create-image.ts';
import { PROBLEMS } from '../../../src/api/problem-kinds.ts';
import { describeApi } from '../../../src/composition/describe-api.ts';
import { WARNING_CODES } from '../../../src/core/domain/image.ts';
import { SCHEMA_ORDER } from '../../../src/http/openapi/document.ts';
import { openHttpApp } from '../../support/app/http-app.ts';

const operation = z.looseObject({
  operationId: z.string(),
  summary: z.string(),
  tags: z.array(z.string()).min(1),
  responses: z.record(z.string(), z.looseObject({ description: z.string() })),
});
const documentShape = z.looseObject({
  openapi: z.literal('3.1.0'),
  paths: z.record(z.string(), z.record(z.string(), operation)),
  components: z.looseObject({
    schemas: z.record(z.string(), z.looseObject({ examples: z.array(z.unknown()).optional() })),
  }),
});

const document = documentShape.parse(await describeApi('1.2.3'));
const operations = Object.entries(document.paths).flatMap(([path, methods]) =>
  Object.entries(methods).map(([method, operation]) => ({ name: `${method.toUpperCase()} ${path}`, operation })),
);

describe('the document', () => {
  test('has every route of the contract, each with its own operationId', () => {
    expect(operations.map(({ name }) => name).sort()).toEqual([
      'DELETE /images/{mediaId}',
      'GET /cleanup/last',
      'GET /deliveries',
      'GET /events',
      'GET /health',
      'GET /health/live',
      'GET /health/ready',
      'GET /images',
      'GET /images/{mediaId}',
      'GET /images/{mediaId}/deliveries',
      'GET /images/{mediaId}/events',
      'GET /images/{mediaId}/preview',
      'GET /images/{mediaId}/provenance',
      'GET /images/{mediaId}/retry',
      'GET /labels',
      'GET /media/{file}',
      'GET /metrics',
      'GET /models',
      'GET /operations',
      'GET /presets',
      'GET /usage',
      'GET /v1/images/tasks/{id}',
      'GET /v1/models',
      'GET /v1/models/{id}',
      'GET /whoami',
      'PATCH /images/{mediaId}',
      'POST /cleanup',
      'POST /images',
      'POST /images/preview',
      'POST /images/{mediaId}/cancel',
      'POST /images/{mediaId}/deliveries/{id}/redeliver',
      'POST /images/{mediaId}/retry',
      'POST /v1/images/edits',
      'POST /v1/images/edits/async',
      'POST /v1/images/generations',
      'POST /v1/images/generations/async',
    ]);
    const ids = operations.map(({ operation }) => operation.operationId);
    expect(new Set(ids).size).toBe(ids.length);
  });

  // Health answers without a key and outside the limits. Metrics are no part of the limits.
  const keyed = operations.filter(({ name }) => !/ \/(health|metrics)/.test(name));
  test.each(keyed)('says of $name that it may be refused for its key, its rate and its body', ({ name, operation }) => {
    const byBody = name.startsWith('GET') ? [] : ['400', '413', '415'];
    // It takes a key of any scope.
    const byScope = name === 'GET /whoami' ? [] : ['403'];
    expect(Object.keys(operation.responses)).toEqual(expect.arrayContaining(['401', ...byScope, '429', ...byBody]));
  });

  test('says that a request for an image comes as JSON or as multipart, and any other as JSON', () => {
    const types = operations.flatMap(({ name, operation }) => {
      const { requestBody } = operation as { requestBody?: { content: Record<string, unknown> } };
      return requestBody ? [[name, Object.keys(requestBody.content)] as const] : [];
    });
    const both = ['application/json', 'multipart/form-data'];
    expect(types.filter(([, found]) => found.length > 1)).toEqual([
      ['POST /images', both],
      ['POST /images/preview', both],
      ['POST /v1/images/edits', both],
      ['POST /v1/images/edits/async', both],
    ]);
    expect(types.every(([, [first]]) => first === 'application/json')).toBe(true);
    expect(document.paths['/images']?.post?.requestBody).toMatchObject({
      content: {
        'multipart/form-data': {
          schema: { required: ['request'], properties: { request: { $ref: '#/components/schemas/CreateImage' } } },
          encoding: { request: { contentType: 'application/json' } },
        },
      },
    });
    expect(JSON.stringify(document)).not.toContain('x-multipart-body');
  });

  test('says of a picture which conditions and ranges it refuses', () => {
    const responses = document.paths['/media/{file}']?.get?.responses;
    for (const status of [412, 416]) {
      const examples = { invalid_request: { value: { status, code: 'invalid_request' } } };
      expect(responses?.[status]).toMatchObject({ content: { 'application/problem+json': { examples } } });
    }
  });

  test('names each schema once, and refers to all of them and to no other', () => {
    const names = Object.keys(document.components.schemas);
    expect(names.filter((name) => name.endsWith('Input'))).toEqual([]);
    const refs = [...JSON.stringify(document).matchAll(/"\$ref":"#\/components\/schemas\/([^"]+)"/g)].map(
      ([, name]) => name,
    );
    expect(new Set(refs)).toEqual(new Set(names));
  });

  // Generators make a second type, for writing, of a schema that has a read-only property anywhere below it.
  test('has no read-only property, and tells the members of each union of schemas by a property', () => {
    expect(JSON.stringify(document)).not.toContain('"readOnly"');
    const unions = [
      ...JSON.stringify(document.components).matchAll(/"(?:oneOf|anyOf)":\[\{"\$ref":[^\]]*\](,"discriminator")?/g),
    ];
    expect(unions.map(([text]) => text).filter((text) => !/discriminator|"type":"null"/.test(text))).toEqual([]);
    expect(document.components.schemas.ImageRecord).toMatchObject({
      properties: {
        renditions: { items: { discriminator: { propertyName: 'status', mapping: { ready: expect.any(String) } } } },
      },
    });
  });

  test('lists the codes of problems, failures and warnings', () => {
    const { ProblemCode, Warning, ImageFailure } = document.components.schemas;
    expect(ProblemCode).toMatchObject({ enum: Object.keys(PROBLEMS) });
    expect(ImageFailure).toMatchObject({ properties: { code: { $ref: '#/components/schemas/ProblemCode' } } });
    expect(Warning).toMatchObject({ properties: { code: { enum: [...WARNING_CODES] } } });
  });

  // An order that leaves schemas out would place a new one by its name.
  test('has its schemas in the order that is written down, without one that is not in it', () => {
    expect(Object.keys(document.components.schemas)).toEqual(SCHEMA_ORDER);
  });

  test('has examples that match their schema', () => {
    const examples = document.components.schemas.CreateImage?.examples ?? [];
    expect(examples.length).toBeGreaterThan(1);
    for (const example of examples) expect(createImage.safeParse(example).error).toBeUndefined();
  });

  // Swagger UI fills examples into the form: what is sent twice must not be answered by what a header says.
  test('has no example for a header of POST /images, and first one of a body without a mediaId', () => {
    const parameters = document.paths['/images']?.post?.parameters;
    expect(JSON.stringify(parameters)).not.toMatch(/"examples?"/);
    expect(document.components.schemas.CreateImage?.examples?.[0]).not.toHaveProperty('mediaId');
  });

  test('has an example of each problem that a route can answer with', () => {
    const responses = document.paths['/images']?.post?.responses;
    expect(Object.keys(responses ?? {})).toEqual([
      '200',
      '201',
      '202',
      '400',
      '401',
      '403',
      '404',
      '409',
      '413',
      '415',
      '422',
      '429',
      '502',
      '503',
      '504',
      '507',
    ]);
    expect(responses?.[422]).toMatchObject({
      content: {
        'application/problem+json': {
          // A generated client knows by the status which codes there are.
          schema: {
            allOf: [
              { $ref: '#/components/schemas/Problem' },
              {
                properties: {
                  code: { enum: ['unsupported_parameter', 'prompt_rejected', 'idempotency_key_reused'] },
                },
              },
            ],
          },
          examples: { prompt_rejected: { value: { status: 422, code: 'prompt_rejected' } } },
        },
      },
    });
    expect(responses?.[202]).toMatchObject({ headers: { Location: {}, 'Retry-After': {}, 'Preference-Applied': {} } });
  });

  test('makes the bodies of a cleanup and of a retry optional, and that of POST /images required', () => {
    for (const path of ['/cleanup', '/images/{mediaId}/retry']) {
      expect(document.paths[path]?.post).toHaveProperty('requestBody');
      expect(document.paths[path]?.post?.requestBody).not.toHaveProperty('required');
    }
    expect(document.paths['/images']?.post?.requestBody).toMatchObject({ required: true });
  });
});

test('a running service serves the same document, and pages that load nothing from other hosts', async () => {
  await using http = await openHttpApp();
  const api = () => request(http.app.server);
  expect((await api().get('/openapi.json').expect(200)).body).toEqual(JSON.parse(JSON.stringify(document)));

  const page = await api().get('/docs').expect(200);
  expect(page.text).toContain('<title>Easel</title>');
  expect(page.text).toContain('static/theme/easel.css');
  const parts = [...page.text.matchAll(/(?:src|href)="([^"]+)"/g)].map(([, url]) => url ?? '');
  expect(parts.length).toBeGreaterThan(3);
  for (const part of parts) {
    const url = new URL(part, 'http://here/docs');
    expect(url.host).toBe('here');
    await api().get(url.pathname).expect(200);
  }
  await api().get('/docs/static/nope.js').expect(404).expect('content-type', 'application/problem+json');
  const beyond = await api().get('/docs/static/swagger-ui.css').set('Range', 'bytes=99999999-').expect(416);
  expect(beyond.headers['content-range']).toMatch(/^bytes \*\/\d+$/);
  expect(beyond.body).toMatchObject({ status: 416, code: 'invalid_request' });
});
