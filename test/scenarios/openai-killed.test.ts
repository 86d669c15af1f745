import { createHash } from 'node:crypto';
import OpenAI from 'openai';
import { expect, test } from 'vitest';
import { openAiPictures } from '../../src/api/openai/answers.ts';
import { openAiTask } from '../../src/api/openai/tasks.ts';
import type { ImageRecord } from '../../src/core/domain/record.ts';
import { startService } from '../support/app/process.ts';
import { picture } from '../support/openai/answers.ts';
import { startOpenAiServer } from '../support/openai/server.ts';
import { temporaryFolder } from '../support/temporary-folder.ts';
import { eventually } from '../support/until.ts';

// Real processes, killed in the middle. What the model API was asked is audited against the records.

const SIZE = '1024x640';
const COUNT = 6;

async function openScene() {
  const folder = await temporaryFolder();
  const upstream = await startOpenAiServer();
  const start = (port = '0') =>
    startService({
      folder: folder.path,
      env: {
        OPENAI_API_KEY: upstream.key ?? 'none',
        OPENAI_BASE_URL: upstream.baseUrl,
        IMAGE_RENDITIONS: '',
        PORT: port,
        CONCURRENCY: '2',
      },
    });
  return {
    upstream,
    start,
    async [Symbol.asyncDispose]() {
      await upstream[Symbol.asyncDispose]();
      await folder[Symbol.asyncDispose]();
    },
  };
}

async function recordAt(url: string, mediaId: string): Promise<ImageRecord> {
  return (await (await fetch(`${url}/images/${mediaId}`)).json()) as ImageRecord;
}

/** Each call that the model API got is an attempt of a record, and each record's calls are bounded; every picture is there, whole. */
async function audit(url: string, mediaIds: readonly string[], calls: readonly { readonly body: object }[]) {
  const records = await Promise.all(mediaIds.map((mediaId) => recordAt(url, mediaId)));
  for (const record of records) {
    expect(record.status).toBe('succeeded');
    const asked = calls.filter(({ body }) => 'prompt' in body && body.prompt === record.prompt);
    expect(record.attempts).toHaveLength(asked.length);
    expect(record.attempts.filter(({ outcome }) => outcome === 'ok')).toHaveLength(1);
    // One that was out when the process died, whose outcome is not known, and the one that brought the picture.
    expect(asked.length).toBeLessThanOrEqual(2);
    const bytes = Buffer.from(await (await fetch(`${url}${record.url}`)).arrayBuffer());
    expect(createHash('sha256').update(bytes).digest('hex')).toBe(record.sha256);
  }
}

test('tasks outlast a SIGKILL in the middle: each has its picture, and only what was out is asked for again', async () => {
  await using scene = await openScene();
  const { upstream } = scene;
  const gate = upstream.gate();
  upstream.script(picture(), picture(), picture({ beforeHeaders: gate }), picture({ beforeHeaders: gate }));
  const ids: string[] = [];
  {
    await using first = await scene.start();
    for (let index = 0; index < COUNT; index += 1) {
      const response = await fetch(`${first.url}/v1/images/generations/async`, {
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        body: JSON.stringify({ prompt: `lighthouse ${index}`, size: SIZE }),
      });
      expect(response.status).toBe(202);
      ids.push(openAiTask.parse(await response.json()).id);
    }
    await upstream.received(4);
    first.child.kill('SIGKILL');
    expect(await first.exited).toBe('SIGKILL');
  }
  gate.open();

  await using second = await scene.start();
  for (const id of ids) {
    await eventually(async () => {
      const task = openAiTask.parse(await (await fetch(`${second.url}/v1/images/tasks/${id}`)).json());
      expect(task).toMatchObject({ id, status: 'completed', result: { size: SIZE } });
    });
  }
  expect(upstream.calls.length).toBeLessThanOrEqual(COUNT + 2);
  await audit(second.url, ids, upstream.calls);
});

test('calls of the unmodified SDK outlast a SIGKILL: they come back, join, and get their picture, and so does a retry after another one', async () => {
  await using scene = await openScene();
  const { upstream } = scene;
  const gate = upstream.gate();
  upstream.script(picture({ beforeHeaders: gate }), picture({ beforeHeaders: gate }));
  await using first = await scene.start();
  const { port } = new URL(first.url);
  const client = new OpenAI({ baseURL: `${first.url}/v1`, apiKey: 'none', maxRetries: 20 });
  const calls = Array.from({ length: COUNT }, (_, index) =>
    client.images
      .generate({ model: 'gpt-image-2', prompt: `lighthouse ${index}`, size: SIZE as '1024x1024' })
      .withResponse(),
  );
  const answers = Promise.all(calls);
  await upstream.received(2);
  await eventually(async () => {
    const { items } = (await (await fetch(`${first.url}/images?limit=100`)).json()) as { items: readonly object[] };
    expect(items).toHaveLength(COUNT);
  });
  first.child.kill('SIGKILL');
  await first.exited;
  gate.open();

  await using second = await scene.start(port);
  const ids = (await answers).map(({ data, response }) => {
    expect(data.data?.[0]?.b64_json?.length).toBeGreaterThan(1_000);
    return response.headers.get('x-easel-media-id') ?? '';
  });
  expect(new Set(ids).size).toBe(COUNT);
  expect(upstream.calls.length).toBeLessThanOrEqual(COUNT + 2);
  await audit(second.url, ids, upstream.calls);

  second.child.kill('SIGKILL');
  await second.exited;
  await using third = await scene.start();
  const made = upstream.calls.length;
  for (let times = 0; times < 2; times += 1) {
    const again = await fetch(`${third.url}/v1/images/generations`, {
      method: 'POST',
      headers: { 'content-type': 'application/json', 'x-stainless-retry-count': '1' },
      body: JSON.stringify({ size: SIZE, prompt: 'lighthouse 0', model: 'gpt-image-2' }),
    });
    expect(again.headers.get('x-easel-media-id')).toBe(ids[0]);
    const { data } = openAiPictures.parse(await again.json());
    const { sha256 } = await recordAt(third.url, ids[0] ?? '');
    const bytes = Buffer.from(data[0]?.b64_json ?? '', 'base64');
    expect(createHash('sha256').update(bytes).digest('hex')).toBe(sha256);
  }
  expect(upstream.calls).toHaveLength(made);
});
