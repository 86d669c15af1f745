import request from 'supertest';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type HttpApp, openHttpApp } from '../../support/app/http-app.ts';

let http: HttpApp;
beforeAll(async () => {
  http = await openHttpApp();
});
afterAll(() => http[Symbol.asyncDispose]());

describe('POST /cleanup', () => {
  test.each([
    ['no body', undefined, {}],
    ['an empty body', '', {}],
    ['an empty object', '{}', {}],
    ['seconds', '{"olderThan":"90s"}', { olderThanMs: 90_000 }],
    ['minutes', '{"olderThan":"2m"}', { olderThanMs: 120_000 }],
    ['hours', '{"olderThan":"2h"}', { olderThanMs: 7_200_000 }],
    [
      'all',
      '{"olderThan":"30d","maxBytes":0,"status":"failed","label":"a","key":"b","dryRun":true}',
      { olderThanMs: 2_592_000_000, maxBytes: 0, status: 'failed', label: 'a', owner: 'b', dryRun: true },
    ],
  ])('with %s runs it with these options', async (_what, body, options) => {
    const post = request(http.app.server).post('/cleanup');
    const answer = await (body === undefined ? post : post.type('json').send(body)).expect(200);
    expect(http.images.cleaned.at(-1)).toEqual(options);
    expect(answer.body).toEqual({
      deleted: 1,
      ...('dryRun' in options && { mediaIds: ['old'] }),
      freedBytes: 2,
      kept: 3,
      orphansRemoved: 4,
      foreignFiles: 0,
      missingFiles: 1,
      missingFilesOf: ['lost'],
      failures: 0,
      failuresOf: [],
      dryRun: 'dryRun' in options,
      durationMs: 5.5,
    });
  });

  test.each([
    ['olderThan', { olderThan: '30' }],
    ['olderThan', { olderThan: '1.5d' }],
    ['olderThan', { olderThan: '-1d' }],
    ['olderThan', { olderThan: 30 }],
    ['status', { status: 'queued' }],
    ['dryRun', { dryRun: 'yes' }],
    ['label', { label: ' ' }],
    ['label', { label: ['a'] }],
    ['key', { key: '' }],
    ['owner', { owner: 'a' }],
    ['maxBytes', { maxBytes: -1 }],
    ['body', [1]],
  ])('refuses a wrong %s', async (path, body) => {
    const answer = await request(http.app.server).post('/cleanup').send(body).expect(400);
    expect(answer.body.errors).toMatchObject([{ path }]);
  });
});
