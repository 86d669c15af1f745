import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { type Answer, startEasel } from '../support/app/easel.ts';
import { openAiError, picture } from '../support/openai/answers.ts';
import { startOpenAiServer } from '../support/openai/server.ts';
import { temporaryFolder } from '../support/temporary-folder.ts';
import { sendIdentical } from '../torture/identical.ts';

describe('the same request, many times at once', () => {
  it('is paid once: one request starts the work, the others join', async () => {
    await using easel = await startEasel();
    for (const name of ['mediaId', 'idempotencyKey'] as const) {
      expect(await sendIdentical(easel.url, easel.upstream, name, `same ${name.toLowerCase()}`)).toEqual([]);
    }
  });

  it('runs once more after it failed without being billed', async () => {
    await using easel = await startEasel({ env: { RETRY_MAX_ATTEMPTS: '1' } });
    easel.upstream.script(openAiError('server_error'));
    await easel.post({ mediaId: 'same-again', prompt: 'same again' });
    expect(await sendIdentical(easel.url, easel.upstream, 'mediaId', 'same again')).toEqual([]);
    expect(easel.upstream.calls).toHaveLength(2);
  });

  it('runs again after a restart with the prompt as it was written: no margins for the default renditions', async () => {
    await using folder = await temporaryFolder();
    await using upstream = await startOpenAiServer();
    // Cut by 2.2 % at the top and at the bottom, which a request that named it would hear of.
    const env = { RETRY_MAX_ATTEMPTS: '1', IMAGE_RENDITIONS: '256x153.png' };
    const request = { mediaId: 'x', prompt: 'a lighthouse' };
    {
      await using easel = await startEasel({ folder: folder.path, upstream, env });
      upstream.script(openAiError('server_error'));
      await easel.post(request);
    }
    await using easel = await startEasel({ folder: folder.path, upstream, env });
    expect((await easel.post(request)).body).toMatchObject({ status: 'succeeded', renditions: [{ height: 153 }] });
    expect(upstream.calls.map(({ body }) => body?.prompt)).toEqual(['a lighthouse', 'a lighthouse']);
    const named = await easel.post({ prompt: 'a lighthouse', renditions: ['256x153.png'] });
    expect(named.body.prompt).toContain('cropped by about 3% at the top, 3% at the bottom');
  });
});

describe('the same request', () => {
  const request = { prompt: 'a lighthouse', labels: ['b', 'a'], metadata: { one: '1', two: '2' } };

  it.each([
    ['in another order', '{"metadata":{"two":"2","one":"1"},"labels":["a","b"],"prompt":"a lighthouse"}'],
    [
      'with its defaults written out',
      { ...request, size: '1024x640', quality: 'auto', format: 'png', background: 'auto' },
    ],
    ['with the default model and renditions named', { ...request, model: 'gpt-image-2', renditions: ['256x160.png'] }],
  ])('is recognized %s', async (_, again) => {
    await using easel = await startEasel();
    const first = await easel.post({ ...request, mediaId: 'x' });
    const repeat = typeof again === 'string' ? `{"mediaId":"x",${again.slice(1)}` : { mediaId: 'x', ...again };
    const second = await easel.post(repeat);
    expect([first.status, second.status]).toEqual([201, 200]);
    expect(second.body).toEqual(first.body);
    expect(easel.upstream.calls).toHaveLength(1);
  });

  it.each([
    ['another prompt', { ...request, prompt: 'a tower' }, ['prompt']],
    ['another size', { ...request, size: '1536x1024' }, ['size']],
    ['no renditions and a style', { ...request, renditions: [], style: 'vivid' }, ['style', 'renditions']],
    ['a brief', { brief: { subject: 'a lighthouse' } }, ['prompt', 'brief']],
    ['a preset', { ...request, preset: 'icon' }, ['brief', 'preset', 'size', 'quality', 'renditions']],
  ])('is a different one with %s: 409 for its mediaId, 422 for its key', async (_, other, fields) => {
    await using easel = await startEasel();
    const key = { 'idempotency-key': 'k' };
    await easel.post({ ...request, mediaId: 'x' });
    await easel.post(request, key);
    const conflict = await easel.post({ ...other, mediaId: 'x' });
    expect([conflict.status, conflict.body.code]).toEqual([409, 'media_id_conflict']);
    const named = ({ body }: Answer) => body.errors.map(({ path }) => path).sort();
    expect(named(conflict)).toEqual(fields.toSorted());
    const reused = await easel.post(other, key);
    expect([reused.status, reused.body.code]).toEqual([422, 'idempotency_key_reused']);
    expect(named(reused)).toEqual(fields.toSorted());
    expect(easel.upstream.calls).toHaveLength(2);
  });

  it.each([
    ['labels', { labels: ['c'] }],
    ['metadata', { metadata: { one: '1' } }],
    ['ttlSeconds', { ttlSeconds: 60 }],
    ['webhookUrl', { webhookUrl: 'https://hooks.example/x' }],
    ['everything that does not make the picture', { labels: [], metadata: null, ttlSeconds: 60, webhookUrl: null }],
  ])('is the same with other %s, and gets the record as it stands', async (_, change) => {
    await using easel = await startEasel();
    const key = { 'idempotency-key': 'k' };
    const first = await easel.post({ ...request, mediaId: 'x' }, key);
    const again = await easel.post({ ...request, ...change, mediaId: 'x' });
    expect([again.status, again.body]).toEqual([200, first.body]);
    expect((await easel.post({ ...request, ...change }, key)).body).toEqual(first.body);
    expect(easel.upstream.calls).toHaveLength(1);
  });

  it('is a different one once a default or a preset has changed, which the answer names', async () => {
    await using upstream = await startOpenAiServer();
    await using folder = await temporaryFolder();
    const presets = join(folder.path, 'presets.json');
    const start = async (crop: string, env: Record<string, string>) => {
      await writeFile(presets, JSON.stringify({ poster: { description: 'A poster', size: '640x1024', crop } }));
      return await startEasel({ upstream, folder: folder.path, env: { PRESETS: presets, ...env } });
    };
    {
      await using easel = await start('centre', {});
      await easel.post({ mediaId: 'plain', prompt: 'a lighthouse' });
      await easel.post({ mediaId: 'poster', prompt: 'a lighthouse', preset: 'poster' });
    }
    await using easel = await start('contain', { IMAGE_QUALITY: 'high' });
    const plain = await easel.post({ mediaId: 'plain', prompt: 'a lighthouse' });
    expect([plain.status, plain.body.errors]).toEqual([
      409,
      [{ path: 'quality', message: expect.stringMatching(/default/) }],
    ]);
    expect(plain.body.detail).toMatch(/differs in quality;/);
    const poster = await easel.post({ mediaId: 'poster', prompt: 'a lighthouse', preset: 'poster' });
    expect([poster.status, poster.body.errors]).toEqual([
      409,
      [{ path: 'preset', message: expect.stringMatching(/preset/) }],
    ]);
    expect(upstream.calls).toHaveLength(2);
  });

  it('is a different one when it repeats a key with another mediaId', async () => {
    await using easel = await startEasel();
    const key = { 'idempotency-key': 'k' };
    const first = await easel.post({ ...request, mediaId: 'x' }, key);
    const { code, errors } = (await easel.post({ ...request, mediaId: 'y' }, key)).body;
    expect([code, errors.map(({ path }) => path)]).toEqual(['idempotency_key_reused', ['mediaId']]);
    expect((await easel.post(request, key)).body).toEqual(first.body);
    expect((await easel.post({ ...request, mediaId: 'x' }, { 'idempotency-key': 'other' })).body).toEqual(first.body);
    expect(easel.upstream.calls).toHaveLength(1);
  });

  it('starts two images for two callers with the same key, and is a conflict for the same mediaId', async () => {
    await using easel = await startEasel();
    const { images } = easel.services;
    const [anna, bert] = [
      { name: 'anna', seesAll: false, admin: false },
      { name: 'bert', seesAll: false, admin: false },
    ];
    const request = { prompt: 'a lighthouse' };
    const hers = await images.submit(request, anna, 'k');
    const his = await images.submit(request, bert, 'k');
    expect([hers.started, his.started]).toEqual([true, true]);
    expect((await images.submit(request, anna, 'k')).image.mediaId).toBe(hers.image.mediaId);
    expect((await images.submit(request, bert, 'k')).image.mediaId).toBe(his.image.mediaId);
    await expect(images.submit({ ...request, mediaId: hers.image.mediaId }, bert, null)).rejects.toMatchObject({
      code: 'media_id_conflict',
    });
    for (const { image } of [hers, his])
      await images.waitUntilFinished(image.mediaId, 120_000, new AbortController().signal);
  });
});

describe('a full queue', () => {
  it('refuses new and failed images with 429 before anything is paid, and still answers for those it has', async () => {
    await using easel = await startEasel({ env: { CONCURRENCY: '1', QUEUE_LIMIT: '2', RETRY_MAX_ATTEMPTS: '1' } });
    const gate = easel.upstream.gate();
    easel.upstream.script(openAiError('server_error'), picture({ beforeHeaders: gate }));
    const send = (mediaId: string) => easel.post({ mediaId, prompt: mediaId }, { prefer: 'respond-async' });
    await easel.post({ mediaId: 'failed', prompt: 'failed' });
    expect((await send('running')).status).toBe(202);
    await gate.reached();
    for (const mediaId of ['first', 'second']) expect((await send(mediaId)).status).toBe(202);

    for (const mediaId of ['third', 'failed']) {
      const { status, headers, body } = await send(mediaId);
      expect([status, body.code, headers.get('retry-after')]).toEqual([
        429,
        'queue_full',
        expect.stringMatching(/^\d+$/),
      ]);
    }
    expect((await easel.record('failed')).status).toBe('failed');
    expect((await easel.get('/images/third')).status).toBe(404);
    expect((await easel.get('/health/ready')).status).toBe(503);
    expect((await send('second')).status).toBe(202);

    gate.open();
    expect((await easel.post({ mediaId: 'second', prompt: 'second' })).status).toBe(200);
    expect((await easel.post({ mediaId: 'failed', prompt: 'failed' })).status).toBe(201);
    expect(easel.upstream.calls).toHaveLength(5);
  });
});
