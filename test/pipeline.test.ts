import { createHash } from 'node:crypto';
import sharp from 'sharp';
import { describe, expect, it } from 'vitest';
import { startEasel } from './support/easel.ts';
import {
  BROKEN_ANSWERS,
  brokenAnswer,
  dropConnection,
  hang,
  htmlPage,
  openAiError,
  picture,
} from './support/openai-answers.ts';

const sha256 = (bytes: Uint8Array) => createHash('sha256').update(bytes).digest('hex');

describe('a picture, from request to file', () => {
  it('comes back as a whole record, and every file is what the record says', async () => {
    await using easel = await startEasel();
    const { status, headers, body } = await easel.post({
      mediaId: 'article-42-hero',
      brief: { subject: 'a lighthouse', avoid: ['people'] },
      preset: 'article-hero',
      style: 'vivid',
      metadata: { articleId: '42' },
      labels: ['blog'],
      renditions: ['1200x675.png', '300x169.webp', '128x128.jpeg', '160x90.avif'],
      ttlSeconds: 3600,
    });

    expect(status).toBe(201);
    expect(headers.get('location')).toBe('/images/article-42-hero');
    expect(body).toMatchObject({
      mediaId: 'article-42-hero',
      status: 'succeeded',
      url: '/media/article-42-hero.png',
      path: 'media/article-42-hero.png',
      width: 1792,
      height: 1024,
      format: 'png',
      preset: 'article-hero@1',
      provider: 'openai',
      model: 'gpt-image-2',
      requestedSize: '1792x1024',
      metadata: { articleId: '42' },
      labels: ['blog'],
      attempts: [{ provider: 'openai', outcome: 'ok', httpStatus: 200, providerRequestId: expect.stringMatching(/./) }],
      cost: { usd: expect.any(Number), basis: 'usage' },
      warnings: [{ code: 'parameter_dropped' }],
      error: null,
    });
    expect(Date.parse(body.expiresAt ?? '') - Date.parse(body.createdAt)).toBe(3600_000);
    expect(await easel.record('article-42-hero')).toEqual(body);

    const files = [body, ...body.renditions];
    expect(files).toHaveLength(5);
    for (const file of files) {
      const response = await easel.get(file.versionedUrl ?? '');
      const bytes = new Uint8Array(await response.arrayBuffer());
      expect(response.headers.get('etag')).toBe(`"${sha256(bytes)}"`);
      expect({ sha256: sha256(bytes), bytes: bytes.length }).toEqual({ sha256: file.sha256, bytes: file.bytes });
      const { width, height, format } = await sharp(bytes).metadata();
      expect({ width, height, format }).toEqual({
        width: file.width,
        height: file.height,
        format: file.format === 'avif' ? 'heif' : file.format,
      });
    }

    expect(easel.upstream.calls).toHaveLength(1);
    expect(easel.upstream.calls[0]?.body).toMatchObject({
      model: 'gpt-image-2',
      size: '1792x1024',
      output_format: 'png',
      n: 1,
      prompt: body.prompt,
    });
    expect(easel.upstream.calls[0]?.body).not.toHaveProperty('style');
  });

  it('keeps the original, and the master is the original itself where that fits', async () => {
    await using easel = await startEasel();
    const { body } = await easel.post({ mediaId: 'same', prompt: 'a lighthouse' });
    const files = await easel.files();
    expect(files).toEqual([expect.stringMatching(/^originals\/same~/), 'same.png', 'same@256x144.png']);
    const original = await easel.services.images.get('same', { name: 'anonymous', admin: true });
    expect(original.original?.sha256).toBe(body.sha256);
  });

  it('is cropped to exactly the size asked for where the model has no such size', async () => {
    await using easel = await startEasel();
    const { body } = await easel.post({ prompt: 'a lighthouse', size: '1200x675', format: 'webp' });
    expect(body).toMatchObject({ width: 1200, height: 675, format: 'webp', requestedSize: '1216x688' });
    expect(easel.upstream.calls[0]?.body).toMatchObject({ size: '1216x688', output_format: 'png' });
    const bytes = await (await easel.get(body.url ?? '')).arrayBuffer();
    expect(await sharp(Buffer.from(bytes)).metadata()).toMatchObject({ width: 1200, height: 675, format: 'webp' });
  });

  it('comes from a url that the answer names, too', async () => {
    await using easel = await startEasel();
    easel.upstream.script(picture({ as: 'url' }));
    const { status, body } = await easel.post({ prompt: 'a lighthouse' });
    expect([status, body.status]).toEqual([201, 'succeeded']);
    expect(easel.upstream.calls).toHaveLength(1);
  });

  it('is brought to the size asked for when another comes, with a warning', async () => {
    await using easel = await startEasel();
    easel.upstream.script(picture({ size: '512x256' }));
    const { status, body } = await easel.post({ prompt: 'a lighthouse' });
    expect(status).toBe(201);
    expect(body).toMatchObject({ width: 1024, height: 1024 });
    expect(body.warnings.map(({ code }) => code)).toContain('resized');
  });
});

describe('trouble upstream', () => {
  it('is tried again with growing waits, each attempt on record', async () => {
    await using easel = await startEasel();
    easel.upstream.script(openAiError('server_error'), openAiError('server_error'), openAiError('server_error'));
    const { status, body } = await easel.post({ prompt: 'a lighthouse' });
    expect(status).toBe(201);
    expect(body.attempts.map(({ outcome, httpStatus }) => [outcome, httpStatus])).toEqual([
      ['failed', 500],
      ['failed', 500],
      ['failed', 500],
      ['ok', 200],
    ]);
    expect(easel.clock.slept).toEqual([500, 1000, 2000]);
  });

  it('waits as long as Retry-After asks', async () => {
    await using easel = await startEasel();
    easel.upstream.script(openAiError('rate_limit_exceeded', { headers: { 'retry-after': '7' } }));
    const { status } = await easel.post({ prompt: 'a lighthouse' });
    expect(status).toBe(201);
    expect(easel.clock.slept).toEqual([7350]);
  });

  it.each([
    ['a refused prompt', openAiError('moderation_blocked'), 422, 'prompt_rejected', 1, 'failed'],
    ['a wrong key', openAiError('invalid_api_key'), 502, 'provider_failed', 1, 'failed'],
    ['no credit', openAiError('insufficient_quota'), 502, 'provider_failed', 1, 'failed'],
    ['an outage', openAiError('server_error'), 502, 'provider_failed', 4, 'failed'],
    ['HTML with 200', htmlPage(200), 502, 'provider_failed', 2, 'unknown'],
    ...BROKEN_ANSWERS.map((kind) => [kind, brokenAnswer(kind), 502, 'provider_failed', 2, 'unknown'] as const),
    ['a socket closed at once', dropConnection('close'), 502, 'provider_failed', 2, 'unknown'],
    ['a truncated PNG', picture({ content: 'truncated' }), 502, 'invalid_image', 1, 'ok'],
    ['a text file', picture({ content: 'text' }), 502, 'invalid_image', 1, 'ok'],
    ['a picture of 144 megapixels', picture({ content: 'huge' }), 502, 'invalid_image', 1, 'ok'],
    ['a blank picture', picture({ content: 'blank' }), 502, 'invalid_image', 1, 'ok'],
  ] as const)('%s', async (_, behaviour, status, code, calls, outcome) => {
    await using easel = await startEasel();
    easel.upstream.always(behaviour);
    const answer = await easel.post({ mediaId: 'x', prompt: 'a lighthouse' });
    expect([answer.status, answer.body.code, answer.body.mediaId]).toEqual([status, code, 'x']);
    expect(answer.headers.get('content-type')).toContain('application/problem+json');
    expect(easel.upstream.calls).toHaveLength(calls);

    const record = await easel.record('x');
    expect(record).toMatchObject({ status: 'failed', url: null, error: { code, detail: answer.body.detail } });
    expect(record.attempts.at(-1)?.outcome).toBe(outcome);
    expect((await easel.get('/media/x.png')).status).toBe(404);
    expect(await easel.files()).toHaveLength(outcome === 'ok' ? 1 : 0);
    expect((await easel.get('/health/live')).status).toBe(200);
  });

  it('gives up on a call that hangs, and frees its socket', async () => {
    await using easel = await startEasel({ env: { GENERATION_TIMEOUT_SECONDS: '1', AMBIGUOUS_RETRIES: '0' } });
    easel.upstream.always(hang());
    const { status, body } = await easel.post({ prompt: 'a lighthouse' });
    expect([status, body.code]).toEqual([504, 'provider_timeout']);
    await easel.upstream.abandoned(1);
    expect(easel.upstream.openSockets).toBe(0);
  });

  it('cannot be reached: nothing was sent, nothing is unknown', async () => {
    await using easel = await startEasel({ env: { RETRY_MAX_ATTEMPTS: '2' } });
    await easel.upstream.close();
    const { status, body } = await easel.post({ mediaId: 'x', prompt: 'a lighthouse' });
    expect([status, body.code]).toEqual([502, 'provider_failed']);
    expect((await easel.record('x')).attempts.map(({ outcome }) => outcome)).toEqual(['failed', 'failed']);
  });

  it('never shows the key, in answer, record or log', async () => {
    await using easel = await startEasel();
    const key = easel.upstream.key ?? '';
    easel.upstream.script(openAiError('invalid_api_key', { message: `Incorrect API key provided: ${key}.` }));
    const { body } = await easel.post({ mediaId: 'x', prompt: 'a lighthouse' });
    expect(body.detail).toContain('[key]');
    for (const text of [JSON.stringify(body), JSON.stringify(await easel.record('x')), easel.log.join('')]) {
      expect(text).not.toContain(key);
    }
  });
});
