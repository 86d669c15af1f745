import { stat } from 'node:fs/promises';
import { join, relative } from 'node:path';
import { describe, expect, it } from 'vitest';
import { type Easel, startEasel } from '../support/app/easel.ts';
import { picture } from '../support/openai/answers.ts';
import { texturedPicture } from '../support/pictures.ts';

const prompt = 'a lighthouse at dusk';
const ASYNC = { prefer: 'respond-async' };

describe('the request in a record', () => {
  it('is what was asked, with defaults resolved, written as in a request', async () => {
    await using easel = await startEasel({ env: { WEBHOOK_ALLOW_HOSTS: '127.0.0.1' } });
    const webhookUrl = 'http://blog:hunter2@127.0.0.1:9/hook?key=s3cret';
    await easel.post({ mediaId: 'x', prompt, labels: ['b', 'a'], metadata: { a: '1' }, webhookUrl });
    const record = await easel.record('x');
    expect(record.request).toEqual({
      prompt,
      brief: null,
      preset: null,
      model: 'gpt-image-2',
      provider: null,
      size: '1024x640',
      quality: 'auto',
      style: null,
      background: 'auto',
      format: 'png',
      renditions: ['256x160.png'],
      partials: 0,
      metadata: { a: '1' },
      labels: ['b', 'a'],
      ttlSeconds: null,
      webhookUrl: 'http://127.0.0.1:9/…',
    });
    expect(JSON.stringify(record)).not.toMatch(/hunter2|s3cret|\/hook/);
  });

  it.each([
    ['a prompt', { prompt }],
    ['a prompt with a preset', { prompt, preset: 'icon' }],
    ['a brief', { brief: { subject: 'a lighthouse', palette: ['teal'], avoid: ['people'] } }],
    ['a brief with a preset', { brief: { subject: 'a sign', text: 'OPEN', avoid: ['logos'] }, preset: 'article-hero' }],
    ['a small master with default renditions', { prompt, size: '64x40' }],
    [
      'every field',
      {
        prompt,
        preset: 'product',
        model: 'gpt-image-2',
        provider: 'openai',
        size: '512x512',
        quality: 'low',
        style: 'vivid',
        background: 'opaque',
        format: 'webp',
        renditions: ['128x128.jpeg'],
        partials: 2,
        metadata: { a: 'b' },
        labels: ['x', 'pinned'],
        ttlSeconds: 600,
      },
    ],
  ])('of %s is valid as a body again, and the same request', async (_, body) => {
    await using easel = await startEasel();
    const first = await easel.post({ mediaId: 'x', ...body });
    expect(first.status).toBe(201);
    const again = await easel.post({ mediaId: 'x', ...first.body.request });
    expect([again.status, again.body]).toEqual([200, first.body]);
    // And for another picture, which is then asked for in the same words.
    const other = await easel.post({ mediaId: 'y', ...first.body.request });
    expect([other.status, other.body.prompt, other.body.request]).toEqual([201, first.body.prompt, first.body.request]);
    expect([other.body.pinned, other.body.expiresAt]).toEqual([first.body.pinned, null]);
    expect(easel.upstream.calls).toHaveLength(2);
  });

  it('is refused with the webhook as the record shows it, which would lead nowhere', async () => {
    await using easel = await startEasel({ env: { WEBHOOK_ALLOW_HOSTS: '127.0.0.1' } });
    const { body } = await easel.post({ mediaId: 'x', prompt, webhookUrl: 'http://127.0.0.1:9/hook' });
    const shown = body.request.webhookUrl ?? '';
    const message = 'is what a record shows of it; send the whole URL, or leave it out';
    for (const webhookUrl of [shown, new URL(shown).href]) {
      const again = await easel.post({ mediaId: 'y', ...body.request, webhookUrl });
      expect([again.status, again.body.errors]).toEqual([400, [{ path: 'webhookUrl', message }]]);
    }
    const { webhookUrl: _, ...rest } = body.request;
    expect((await easel.post({ mediaId: 'x', ...rest })).status).toBe(200);
  });

  it('of a picture of the OpenAI dialect is valid, and the same request but for what only that can ask', async () => {
    await using easel = await startEasel();
    const edit = new FormData();
    const fields = { model: 'gpt-image-2', prompt, quality: 'low', moderation: 'low', user: 'someone' };
    for (const [name, value] of Object.entries(fields)) edit.append(name, value);
    edit.append('image', new Blob([new Uint8Array(await texturedPicture({ width: 64, height: 40 }))]), 'a.png');
    const made = await fetch(`${easel.url}/v1/images/edits`, { method: 'POST', body: edit });
    expect(made.status).toBe(200);
    const mediaId = made.headers.get('x-easel-media-id') ?? '';
    const record = await easel.record(mediaId);
    expect(record.request).toMatchObject({ prompt, quality: 'low', inputs: [{ sha256: expect.any(String) }] });
    const same = await easel.post({ ...record.request, mediaId });
    expect([same.status, same.body]).toEqual([200, record]);
    const other = await easel.post({ ...record.request, mediaId: 'other' });
    expect([other.status, other.body.request]).toEqual([201, record.request]);
    const another = await easel.post({ ...record.request, mediaId, prompt: 'another' });
    expect([another.status, another.body.errors.map(({ path }) => path)]).toEqual([409, ['prompt']]);
    expect(easel.upstream.calls).toHaveLength(2);
  });
});

describe('the path in a record', () => {
  it('is where the file is, in the folder as it is configured', async () => {
    await using easel = await startEasel();
    const { body } = await easel.post({ mediaId: 'x', prompt });
    expect(body.path).toBe(join(easel.folder, 'media', 'x.png'));
    expect((await stat(body.path ?? '')).size).toBe(body.bytes);
    const [rendition] = body.renditions;
    if (rendition === undefined || !('path' in rendition)) throw new Error('there is no rendition');
    expect((await stat(rendition.path)).size).toBe(rendition.bytes);
  });

  it('stays relative where the folder is', async () => {
    await using easel = await startEasel();
    const folder = relative(process.cwd(), join(easel.folder, 'elsewhere'));
    const other = { MEDIA_DIR: folder, DATABASE_URL: `sqlite:${easel.folder}/other.db` };
    await using second = await startEasel({ env: other, folder: easel.folder });
    const { body } = await second.post({ mediaId: 'x', prompt });
    expect(body.path).toBe(`${folder}/x.png`);
    expect((await stat(body.path ?? '')).size).toBe(body.bytes);
  });
});

describe('the place in line', () => {
  const positions = async (easel: Easel, ...mediaIds: readonly string[]) =>
    await Promise.all(mediaIds.map(async (mediaId) => (await easel.record(mediaId)).queuePosition));

  it('is 1 for the next picture, counts up, moves, and is null for all that are not queued', async () => {
    await using easel = await startEasel({ env: { CONCURRENCY: '1' } });
    const gate = easel.upstream.gate();
    easel.upstream.script(picture({ beforeHeaders: gate }));
    await easel.post({ mediaId: 'running', prompt }, ASYNC);
    await gate.reached();
    const answers = [];
    for (const mediaId of ['a', 'b', 'c', 'd']) answers.push(await easel.post({ mediaId, prompt }, ASYNC));
    expect(answers.map(({ status, body }) => [status, body.queuePosition])).toEqual([
      [202, 1],
      [202, 2],
      [202, 3],
      [202, 4],
    ]);
    const cancelled = await easel.cancel('b');
    expect(cancelled.body.queuePosition).toBeNull();
    expect(await positions(easel, 'running', 'a', 'b', 'c', 'd')).toEqual([null, 1, null, 2, 3]);
    const list = (await (await easel.get('/images?status=queued')).json()) as { items: { queuePosition: number }[] };
    expect(list.items.map(({ queuePosition }) => queuePosition)).toEqual([3, 2, 1]);
    await easel.post({ mediaId: 'b', prompt }, ASYNC);
    expect((await positions(easel, 'a', 'b', 'c', 'd')).toSorted()).toEqual([1, 2, 3, 4]);
    gate.open();
    for (const mediaId of ['a', 'b', 'c', 'd'])
      await easel.services.images.waitUntilFinished(mediaId, 120_000, new AbortController().signal);
    expect(await positions(easel, 'running', 'a', 'b', 'c', 'd')).toEqual([null, null, null, null, null]);
  });
});
