import { createHash } from 'node:crypto';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import sharp from 'sharp';
import { describe, expect, it } from 'vitest';
import { type Easel, publishedFiles, startEasel } from '../support/app/easel.ts';
import {
  BROKEN_ANSWERS,
  brokenAnswer,
  dropConnection,
  hang,
  htmlPage,
  openAiError,
  picture,
} from '../support/openai/answers.ts';
import { temporaryFolder } from '../support/temporary-folder.ts';
import { eventually } from '../support/until.ts';

const sha256 = (bytes: Uint8Array) => createHash('sha256').update(bytes).digest('hex');

describe('a picture, from request to file', () => {
  it('is returned as a complete record, and every file matches it', async () => {
    await using easel = await startEasel();
    const { status, headers, body } = await easel.post({
      mediaId: 'article-42-hero',
      brief: { subject: 'a lighthouse', avoid: ['people'] },
      preset: 'article-hero',
      style: 'vivid',
      metadata: { articleId: '42' },
      labels: ['blog'],
      renditions: ['1200x675.png', '160x90.avif', '300x169.webp', '128x128.jpeg'],
      ttlSeconds: 3600,
    });

    expect(status).toBe(201);
    expect(headers.get('location')).toBe('/images/article-42-hero');
    expect(body).toMatchObject({
      mediaId: 'article-42-hero',
      status: 'succeeded',
      url: '/media/article-42-hero.png',
      path: join(easel.folder, 'media', 'article-42-hero.png'),
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
    expect(body.renditions[1]).toEqual({ url: '/media/article-42-hero@160x90.avif', status: 'pending' });

    const record = await easel.made('article-42-hero');
    expect({ ...record, renditions: body.renditions }).toEqual(body);
    const files = publishedFiles(record);
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

  it('keeps the original, which is also the master where it fits', async () => {
    await using easel = await startEasel();
    const { body } = await easel.post({ mediaId: 'same', prompt: 'a lighthouse' });
    const files = await easel.files();
    expect(files).toEqual([
      expect.stringMatching(/^originals\/same~/),
      'same.png',
      'same@256x160.png',
      'same@thumb.webp',
    ]);
    const original = await easel.services.images.get('same', { name: 'anonymous', seesAll: true, admin: true });
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

  it('may be answered by the provider as a URL', async () => {
    await using easel = await startEasel();
    easel.upstream.script(picture({ as: 'url' }));
    const { status, body } = await easel.post({ prompt: 'a lighthouse' });
    expect([status, body.status]).toEqual([201, 'succeeded']);
    expect(easel.upstream.calls).toHaveLength(1);
  });

  it('is resized, with a warning, when the provider returns another size', async () => {
    await using easel = await startEasel();
    easel.upstream.script(picture({ size: '512x256' }));
    const { status, body } = await easel.post({ prompt: 'a lighthouse' });
    expect(status).toBe(201);
    expect(body).toMatchObject({ width: 1024, height: 640 });
    expect(body.warnings.map(({ code }) => code)).toContain('resized');
  });
});

describe('a picture that is rejected', () => {
  const REGENERATE = { REGENERATE_ON_REJECT: 'true' };
  const paid = (easel: Easel) => easel.upstream.calls.length;

  it.each(['blank', 'truncated'] as const)(
    'is followed by one more paid call where that is allowed: %s',
    async (content) => {
      await using easel = await startEasel({ env: REGENERATE });
      easel.upstream.script(picture({ content }));
      const { status, body } = await easel.post({ mediaId: 'x', prompt: 'a lighthouse' });
      expect([status, body.status, paid(easel)]).toEqual([201, 'succeeded', 2]);
      expect(body.attempts.map(({ outcome }) => outcome)).toEqual(['ok', 'ok']);
      expect(body.warnings).toEqual([
        {
          code: 'regenerated',
          detail: expect.stringMatching(/^a first picture was set aside and another one paid for: /),
        },
      ]);
      expect(body.checks.filter(({ verdict }) => verdict === 'reject')).toEqual([]);
      // Both calls were paid, and both originals are kept.
      const one = await startEasel();
      const { body: single } = await one.post({ prompt: 'a lighthouse' });
      await one[Symbol.asyncDispose]();
      expect(body.cost).toEqual({ usd: expect.closeTo(2 * (single.cost.usd ?? 0), 6), basis: 'usage' });
      expect((await easel.files()).filter((name) => name.startsWith('originals/'))).toHaveLength(2);
    },
  );

  it.each([
    ['not without being asked', {}, 1],
    ['once and not again', REGENERATE, 2],
    ['not beyond the attempts', { ...REGENERATE, RETRY_MAX_ATTEMPTS: '1' }, 1],
  ])('fails: %s', async (_name, env, calls) => {
    await using easel = await startEasel({ env });
    easel.upstream.always(picture({ content: 'blank' }));
    const { status, body } = await easel.post({ mediaId: 'x', prompt: 'a lighthouse' });
    expect([status, body.code, paid(easel)]).toEqual([502, 'invalid_image', calls]);
    expect(await easel.record('x')).toMatchObject({
      status: 'failed',
      checks: [{ name: 'uniformity', verdict: 'reject' }, {}, {}, {}, {}, {}],
    });
    // A rejected picture is not used again: only a retry pays anew.
    easel.upstream.always(picture());
    expect((await easel.post({ mediaId: 'x', prompt: 'a lighthouse' })).body.code).toBe('invalid_image');
    expect((await easel.retry('x')).status).toBe(201);
    expect(paid(easel)).toBe(calls + 1);
  });

  it('is not followed by a third call after a crash before the second picture was checked', async () => {
    await using folder = await temporaryFolder();
    {
      await using easel = await startEasel({ folder: folder.path, env: REGENERATE });
      easel.upstream.always(picture({ content: 'blank' }));
      await easel.post({ mediaId: 'x', prompt: 'a lighthouse' });
      expect(paid(easel)).toBe(2);
    }
    // The record as it was when the second picture had just arrived.
    const database = new DatabaseSync(join(folder.path, 'easel.db'));
    database.exec(`
      UPDATE images SET status = 'processing', document =
        json_set(document, '$.status', 'processing', '$.error', null, '$.completedAt', null, '$.original.sound', json('true'))`);
    database.close();
    await using easel = await startEasel({ folder: folder.path, env: REGENERATE });
    await eventually(async () => expect((await easel.record('x')).status).toBe('failed'));
    expect(paid(easel)).toBe(0);
  });

  it('passes where the check only warns, or is off', async () => {
    await using easel = await startEasel({ env: { CHECK_UNIFORMITY: 'warn', CHECK_ENTROPY: 'off' } });
    easel.upstream.always(picture({ content: 'blank' }));
    const { status, body } = await easel.post({ prompt: 'a lighthouse' });
    expect(status).toBe(201);
    expect(body.checks.map(({ name, verdict }) => `${name} ${verdict}`)).toEqual([
      'uniformity warn',
      'sharpness warn',
      'borders ok',
      'size ok',
      'ratio ok',
    ]);
  });
});

describe('a picture of another size', () => {
  it('has one warning of being enlarged, with the size that the provider returned', async () => {
    await using easel = await startEasel({ env: { IMAGE_MODEL: 'gpt-image-1.5', IMAGE_RENDITIONS: '70x40.png' } });
    easel.upstream.script(picture({ size: '1024x1024' }));
    const { body } = await easel.post({ prompt: 'a lighthouse', size: '1792x1024' });
    expect(body.requestedSize).toBe('1536x1024');
    expect(body.warnings.map(({ code, detail }) => `${code}: ${detail}`)).toEqual([
      'resized: the picture came as 1024x1024; the middle 1024x585 of it became the master of 1792x1024',
      'enlarged: the master is enlarged 1.75 times from 1024x585',
    ]);
  });

  it('is kept whole on the configured ground with CROP=contain', async () => {
    await using easel = await startEasel({ env: { CROP: 'contain', CROP_GROUND: '#ff0000' } });
    easel.upstream.script(picture({ size: '512x256' }));
    const { body } = await easel.post({ prompt: 'a lighthouse' });
    const bytes = Buffer.from(await (await easel.get(body.url ?? '')).arrayBuffer());
    const { data } = await sharp(bytes).raw().toBuffer({ resolveWithObject: true });
    expect([...data.subarray(0, 3)]).toEqual([255, 0, 0]);
    expect(body.warnings.map(({ code }) => code)).toEqual(['resized', 'enlarged']);
  });
});

describe('the preview', () => {
  it('is the thumbhash of the record, and a data URL of a small picture', async () => {
    await using easel = await startEasel();
    const { body } = await easel.post({ mediaId: 'x', prompt: 'a lighthouse' });
    const response = await easel.get('/images/x/preview');
    const preview = (await response.json()) as { thumbhash: string; dataUrl: string; dominantColour: string };
    expect(preview).toEqual({
      thumbhash: body.thumbhash,
      dataUrl: expect.stringMatching(/^data:image\/png;base64,/),
      dominantColour: expect.stringMatching(/^#[0-9a-f]{6}$/),
    });
    const shown = await sharp(Buffer.from(preview.dataUrl.split(',')[1] ?? '', 'base64')).stats();
    const master = await sharp(Buffer.from(await (await easel.get(body.url ?? '')).arrayBuffer())).stats();
    for (const channel of [0, 1, 2]) {
      expect(Math.abs((shown.channels[channel]?.mean ?? 0) - (master.channels[channel]?.mean ?? 0))).toBeLessThan(10);
    }
  });

  it('is a 404 before there is a picture', async () => {
    await using easel = await startEasel();
    easel.upstream.always(openAiError('moderation_blocked'));
    await easel.post({ mediaId: 'x', prompt: 'a lighthouse' });
    expect((await easel.get('/images/x/preview')).status).toBe(404);
    expect((await easel.get('/images/y/preview')).status).toBe(404);
  });
});

describe('a provider fault', () => {
  it('is retried with growing waits, and each attempt is in the record', async () => {
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

  it('is retried after the time that Retry-After names', async () => {
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

  it('ends a call that hangs by timeout, and frees its socket', async () => {
    await using easel = await startEasel({ env: { GENERATION_TIMEOUT_SECONDS: '3', AMBIGUOUS_RETRIES: '0' } });
    easel.upstream.always(hang());
    const { status, body } = await easel.post({ prompt: 'a lighthouse' });
    expect([status, body.code]).toEqual([504, 'provider_timeout']);
    await easel.upstream.abandoned(1);
    expect(easel.upstream.openSockets).toBe(0);
  });

  it('has the outcome `failed`, not `unknown`, when the provider cannot be reached, since nothing was sent', async () => {
    await using easel = await startEasel({ env: { RETRY_MAX_ATTEMPTS: '2' } });
    await easel.upstream.close();
    const { status, body } = await easel.post({ mediaId: 'x', prompt: 'a lighthouse' });
    expect([status, body.code]).toEqual([502, 'provider_failed']);
    expect((await easel.record('x')).attempts.map(({ outcome }) => outcome)).toEqual(['failed', 'failed']);
  });

  it('never shows the provider key in an answer, record or log', async () => {
    await using easel = await startEasel();
    const key = easel.upstream.key ?? '';
    easel.upstream.script(openAiError('invalid_api_key', { message: `Incorrect API key provided: ${key}.` }));
    const { body } = await easel.post({ mediaId: 'x', prompt: 'a lighthouse' });
    expect(body.detail).toContain('[secret]');
    for (const text of [JSON.stringify(body), JSON.stringify(await easel.record('x')), easel.log.join('')]) {
      expect(text).not.toContain(key);
    }
  });
});
