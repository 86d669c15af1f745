import { describe, expect, it, onTestFinished } from 'vitest';
import type { ImageRecord } from '../../src/core/domain/record.ts';
import { type Easel, type Problem, startEasel } from '../support/app/easel.ts';
import { openAiError, picture } from '../support/openai/answers.ts';
import { createTestDatabase } from '../support/postgres/shared-server.ts';
import { temporaryFolder } from '../support/temporary-folder.ts';
import { bearer, TEST_KEYS } from '../support/test-keys.ts';

const prompt = 'a lighthouse at dusk';
const ASYNC = { prefer: 'respond-async' };

async function patch(easel: Easel, body: unknown, headers: Record<string, string> = {}) {
  const response = await fetch(`${easel.url}/images/x`, {
    method: 'PATCH',
    headers: { 'content-type': 'application/json', ...headers },
    body: JSON.stringify(body),
  });
  return { status: response.status, tag: tagOf(response), body: (await response.json()) as ImageRecord & Problem };
}

const tagOf = ({ headers }: { readonly headers: Headers }) => headers.get('etag') ?? '';
const currentTag = async (easel: Easel) => tagOf(await easel.get('/images/x'));

async function startWithPicture(env: Record<string, string> = {}) {
  const easel = await startEasel({ env });
  expect((await easel.post({ mediaId: 'x', prompt })).status).toBe(201);
  return easel;
}

describe('the ETag of a record', () => {
  it('is strong, that of every answer with the record, and changes with the record alone', async () => {
    await using easel = await startEasel({ env: { RETRY_MAX_ATTEMPTS: '1' } });
    const gate = easel.upstream.gate();
    easel.upstream.script(openAiError('server_error'), picture({ beforeHeaders: gate }));
    await easel.post({ mediaId: 'x', prompt });
    const failed = await currentTag(easel);
    expect(failed).toMatch(/^"[\w-]{16}"$/);
    expect(await currentTag(easel)).toBe(failed);

    const retried = await easel.retry('x', ASYNC);
    await gate.reached();
    const generating = await currentTag(easel);
    const cancelled = await easel.cancel('x');
    gate.open();
    await easel.post({ mediaId: 'x', prompt });
    const made = await currentTag(easel);
    expect(tagOf(await easel.cancel('x'))).toBe(made);
    const patched = await patch(easel, { labels: ['blog'] });
    expect(patched.tag).toBe(await currentTag(easel));
    const again = await easel.post({ mediaId: 'x', prompt });
    expect([again.status, tagOf(again)]).toEqual([200, patched.tag]);
    // The state of the run is a part of the record.
    const tags = [failed, tagOf(retried), generating, tagOf(cancelled), made, patched.tag];
    expect(new Set(tags).size).toBe(tags.length);
    expect((await patch(easel, {})).tag).toBe(patched.tag);
    expect((await fetch(`${easel.url}/images/x`, { method: 'HEAD' })).headers.get('etag')).toBe(patched.tag);
  });

  it('is the same in another process, with another address and other signatures', async () => {
    await using folder = await temporaryFolder();
    const seen: string[] = [];
    for (const env of [{}, { PUBLIC_URL: 'https://img.example.com' }, { MEDIA_ACCESS: 'private' }]) {
      await using easel = await startEasel({ folder: folder.path, env: { ...env, API_KEYS: TEST_KEYS } });
      await easel.post({ mediaId: 'x', prompt }, bearer('blog'));
      seen.push(tagOf(await easel.get('/images/x', bearer('blog'))));
    }
    expect(seen).toEqual([seen[0], seen[0], seen[0]]);
  });

  it('is what a client has that asks with If-None-Match: 304 without a body', async () => {
    await using easel = await startWithPicture();
    const tag = await currentTag(easel);
    for (const known of [tag, `W/${tag}`, `"other", ${tag}`, '*']) {
      const answer = await easel.get('/images/x', { 'if-none-match': known });
      expect([answer.status, tagOf(answer), await answer.text()]).toEqual([304, tag, '']);
    }
    expect((await easel.get('/images/x', { 'if-none-match': '"other"' })).status).toBe(200);
    expect((await easel.get('/images/x', { 'if-match': '"other"' })).status).toBe(412);
    await patch(easel, { labels: ['blog'] });
    expect((await easel.get('/images/x', { 'if-none-match': tag })).status).toBe(200);
  });

  it('brings no 304 for what moves without the record: the place in line, and URLs whose signatures run out', async () => {
    await using easel = await startEasel({
      env: { CONCURRENCY: '1', MEDIA_ACCESS: 'private', API_KEYS: TEST_KEYS },
    });
    const get = (headers: Record<string, string>) => easel.get('/images/x', { ...bearer('blog'), ...headers });
    await easel.post({ mediaId: 'x', prompt }, bearer('blog'));
    const tag = tagOf(await get({}));
    const again = await get({ 'if-none-match': tag });
    expect([again.status, tagOf(again)]).toEqual([200, tag]);
    expect(((await again.json()) as ImageRecord).url).toContain('signature=');
  });

  it('brings no 304 while the picture is queued', async () => {
    await using easel = await startEasel({ env: { CONCURRENCY: '1' } });
    const gate = easel.upstream.gate();
    easel.upstream.script(picture({ beforeHeaders: gate }));
    await easel.post({ mediaId: 'first', prompt }, ASYNC);
    await gate.reached();
    const queued = await easel.post({ mediaId: 'x', prompt }, ASYNC);
    const answer = await easel.get('/images/x', { 'if-none-match': tagOf(queued) });
    expect([answer.status, tagOf(answer)]).toEqual([200, tagOf(queued)]);
    gate.open();
  });
});

describe('a PATCH with If-Match', () => {
  it('changes the record that it names, by its tag, by a list with it, or by *', async () => {
    await using easel = await startWithPicture();
    const first = await patch(easel, { labels: ['a'] }, { 'if-match': await currentTag(easel) });
    const second = await patch(easel, { labels: ['b'] }, { 'if-match': `"other", ${first.tag}` });
    const third = await patch(easel, { labels: ['c'] }, { 'if-match': '*' });
    expect([first, second, third].map(({ status, body }) => [status, body.labels])).toEqual([
      [200, ['a']],
      [200, ['b']],
      [200, ['c']],
    ]);
  });

  it.each<[string, (tag: string, old: string) => Record<string, string>, RegExp]>([
    [
      'an older record',
      (_, old) => ({ 'if-match': old }),
      /GET \/images\/x, look at what has changed, and send its ETag/,
    ],
    ['another one', () => ({ 'if-match': '"other"' }), /GET \/images\/x/],
    ['it by a weak tag', (tag) => ({ 'if-match': `W/${tag}` }), /GET \/images\/x/],
    ['it without quotes', (tag) => ({ 'if-match': tag.replaceAll('"', '') }), /in double quotes/],
    ['nothing', () => ({ 'if-match': '' }), /in double quotes/],
    ['it in If-None-Match', (tag) => ({ 'if-none-match': tag }), /names the record/],
  ])('that names %s is a 412 that changes nothing', async (_, headersOf, fix) => {
    await using easel = await startWithPicture();
    const old = await currentTag(easel);
    await patch(easel, { labels: ['theirs'] });
    const before = await easel.record('x');
    const headers = headersOf(await currentTag(easel), old);
    for (const change of [{ labels: ['mine'] }, {}]) {
      const { status, body, tag } = await patch(easel, change, headers);
      expect([status, body.code, body.mediaId, tag]).toEqual([412, 'invalid_request', 'x', '']);
      expect(body.errors).toEqual([{ path: Object.keys(headers)[0], message: expect.stringMatching(fix) }]);
      expect(body.detail).toMatch(/^nothing was changed: /);
    }
    expect(await easel.record('x')).toEqual(before);
  });

  it("is a 404 for what is not there, and for another key's picture, whatever its tag", async () => {
    await using easel = await startEasel({ env: { API_KEYS: TEST_KEYS } });
    const any = { 'if-match': '*' };
    expect((await patch(easel, {}, { ...any, ...bearer('shop') })).status).toBe(404);
    await easel.post({ mediaId: 'x', prompt }, bearer('blog'));
    expect((await patch(easel, {}, { ...any, ...bearer('shop') })).status).toBe(404);
    expect((await patch(easel, {}, { 'if-match': '"other"', ...bearer('shop') })).status).toBe(404);
  });

  it('is refused where the run has gone on meanwhile', async () => {
    await using easel = await startEasel();
    const gate = easel.upstream.gate();
    easel.upstream.script(picture({ beforeHeaders: gate }));
    await easel.post({ mediaId: 'x', prompt }, ASYNC);
    await gate.reached();
    const tag = await currentTag(easel);
    gate.open();
    await easel.services.images.waitUntilFinished('x', 120_000, new AbortController().signal);
    expect((await patch(easel, { labels: ['a'] }, { 'if-match': tag })).status).toBe(412);
  });

  it.each(['SQLite', 'PostgreSQL'])('lets one of many at once through, in %s', async (kind) => {
    const database = kind === 'SQLite' ? null : await createTestDatabase();
    if (database) onTestFinished(() => database.drop());
    await using easel = await startWithPicture(
      database === null ? {} : { DATABASE_URL: database.url, MEDIA_SHARED: 'true' },
    );
    for (let round = 0; round < 3; round += 1) {
      const tag = await currentTag(easel);
      const labels = Array.from({ length: 8 }, (_, index) => `${round}-${index}`);
      const answers = await Promise.all(labels.map((label) => patch(easel, { labels: [label] }, { 'if-match': tag })));
      expect(answers.map(({ status }) => status).toSorted()).toEqual([200, ...Array(7).fill(412)]);
      const won = answers.find(({ status }) => status === 200);
      expect([await easel.record('x'), await currentTag(easel)]).toEqual([won?.body, won?.tag]);
    }
  });
});
