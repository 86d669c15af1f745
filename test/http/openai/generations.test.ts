import { readFile } from 'node:fs/promises';
import { connect } from 'node:net';
import { join } from 'node:path';
import OpenAI from 'openai';
import OpenAI6 from 'openai-6';
import sharp from 'sharp';
import { describe, expect, test } from 'vitest';
import { z } from 'zod';
import { openAiPictures } from '../../../src/api/openai/answers.ts';
import { type Easel, startEasel } from '../../support/app/easel.ts';
import { openAiError, picture } from '../../support/openai/answers.ts';

/** Sends a body as it stands. */
async function generate(easel: Pick<Easel, 'url'>, body: object, headers: Readonly<Record<string, string>> = {}) {
  const response = await fetch(`${easel.url}/v1/images/generations`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', ...headers },
    body: JSON.stringify(body),
  });
  return { response, answer: response.ok ? openAiPictures.parse(await response.json()) : null };
}

const warning = z.array(z.object({ code: z.string(), detail: z.string() }));

function warningsOf({ headers }: Response) {
  return warning.parse(JSON.parse(decodeURIComponent(headers.get('x-easel-warnings') ?? '[]')));
}

/** The stored original of the only picture. */
async function originalOf(easel: Easel): Promise<Buffer> {
  const [name = ''] = (await easel.files()).filter((file) => file.startsWith('originals/'));
  return await readFile(join(easel.folder, 'media', name));
}

describe('a generation', () => {
  test.each([
    ['openai 7', OpenAI],
    ['openai 6', OpenAI6 as unknown as typeof OpenAI],
  ] as const)('gives %s the bytes of the original as they came, with its usage', async (_name, Client) => {
    await using easel = await startEasel({ skipMs: 50_000 });
    const client = new Client({ baseURL: `${easel.url}/v1`, apiKey: 'none' });

    const { data: answer, response } = await client.images
      .generate({ model: 'gpt-image-2', prompt: 'a lighthouse', size: '1024x640', quality: 'low' })
      .withResponse();

    const bytes = Buffer.from(answer.data?.[0]?.b64_json ?? '', 'base64');
    expect(bytes).toEqual(await originalOf(easel));
    expect(answer).toMatchObject({ size: '1024x640', quality: 'low', output_format: 'png' });
    const { calls } = easel.upstream;
    expect(calls).toHaveLength(1);
    const record = await easel.record(response.headers.get('x-easel-media-id') ?? '');
    expect(record).toMatchObject({ status: 'succeeded', renditions: [] });
    expect(response.headers.get('x-easel-cost-usd')).toBe(String(record.cost.usd));
    const { usage } = answer;
    expect(usage?.output_tokens).toBeGreaterThan(0);
    expect(usage?.total_tokens).toBe((usage?.input_tokens ?? 0) + (usage?.output_tokens ?? 0));
  });

  test('passes on what the model takes, and asks for the size nearest to the default where none is given', async () => {
    await using easel = await startEasel({ env: { IMAGE_SIZE: '1200x675' } });
    const { answer } = await generate(easel, {
      prompt: 'a lighthouse',
      size: 'auto',
      output_format: 'jpeg',
      background: 'opaque',
      quality: 'medium',
    });
    const [call] = easel.upstream.calls;
    expect(call?.body).toMatchObject({ output_format: 'jpeg', background: 'opaque', quality: 'medium' });
    // What came is what goes out: nothing was cropped.
    expect(answer?.size).toBe(call?.body.size);
    const { width, height, format } = await sharp(Buffer.from(answer?.data[0]?.b64_json ?? '', 'base64')).metadata();
    expect([`${width}x${height}`, format]).toEqual([call?.body.size, 'jpeg']);
    expect(width / height).toBeCloseTo(1200 / 675, 1);
  });

  test.each([
    ['nothing of its shape is asked for', {}, '704x512', 'jpeg'],
    ['its size is', { size: '1024x640' }, '1024x640', 'png'],
    ['its format is', { output_format: 'png' }, '1792x1024', 'png'],
  ])('gives a picture as it came where %s', async (_, shape, size, format) => {
    await using easel = await startEasel({ env: { IMAGE_SIZE: '1792x1024' } });
    easel.upstream.always(picture({ size: '704x512', format: 'jpeg' }));
    const { response, answer } = await generate(easel, { prompt: 'a lighthouse', ...shape });
    const bytes = Buffer.from(answer?.data[0]?.b64_json ?? '', 'base64');
    expect(bytes.equals(await originalOf(easel))).toBe(format === 'jpeg');
    expect(answer).toMatchObject({ size, output_format: format });
    const found = await sharp(bytes).metadata();
    expect([`${found.width}x${found.height}`, found.format]).toEqual([size, format]);
    const { mediaId, url, path, ...record } = await easel.record(response.headers.get('x-easel-media-id') ?? '');
    expect([`${record.width}x${record.height}`, record.format]).toEqual([size, format]);
    expect(await (await fetch(`${easel.url}${url}`)).bytes()).toEqual(new Uint8Array(bytes));
    expect(path?.endsWith(`.${format}`)).toBe(true);
    const removed = await fetch(`${easel.url}/images/${mediaId}`, { method: 'DELETE' });
    expect([removed.status, await easel.files()]).toEqual([204, []]);
  });

  test('gives a lasting, absolute URL where one is asked for', async () => {
    await using easel = await startEasel({ skipMs: 50_000 });
    const { answer } = await generate(easel, { prompt: 'a lighthouse', size: '1024x640', response_format: 'url' });
    const url = answer?.data[0]?.url ?? '';
    expect(url.startsWith(`${easel.url}/media/`)).toBe(true);
    expect(answer?.data[0]?.b64_json).toBeUndefined();
    expect(Buffer.from(await (await fetch(url)).arrayBuffer())).toEqual(await originalOf(easel));
  });

  test('writes URLs below PUBLIC_URL', async () => {
    await using easel = await startEasel({ env: { PUBLIC_URL: 'https://pictures.example/easel' } });
    const { answer } = await generate(easel, { prompt: 'a lighthouse', size: '1024x640', response_format: 'url' });
    expect(answer?.data[0]?.url).toMatch(/^https:\/\/pictures\.example\/easel\/media\//);
  });

  test('maps the qualities of DALL-E and ignores what it does not know, each with a warning', async () => {
    await using easel = await startEasel({ skipMs: 50_000 });
    const { response, answer } = await generate(easel, {
      prompt: 'a lighthouse',
      quality: 'hd',
      sampler: 'euler',
      n: null,
    });
    expect(answer?.quality).toBe('high');
    expect(easel.upstream.calls[0]?.body.quality).toBe('high');
    expect(warningsOf(response)).toEqual([
      { code: 'parameter_dropped', detail: 'sampler is not a parameter of this API; it was ignored' },
      { code: 'parameter_mapped', detail: 'quality hd was mapped to high' },
    ]);
  });

  test('keeps the header of warnings small, whatever the names of unknown parameters', async () => {
    await using easel = await startEasel({ skipMs: 50_000 });
    const unknown = Array.from({ length: 50 }, (_, index) => [`${'é'.repeat(200)}${index}`, 1]);
    const { response } = await generate(easel, { prompt: 'a lighthouse', ...Object.fromEntries(unknown) });
    expect(response.headers.get('x-easel-warnings')?.length).toBeLessThan(2_001);
    expect(warningsOf(response).length).toBeGreaterThan(0);
  });

  test('makes n pictures with a record each, and sums usage and cost', async () => {
    await using easel = await startEasel({ skipMs: 50_000 });
    const { response, answer } = await generate(easel, { prompt: 'a lighthouse', size: '1024x640', n: 3 });
    expect(answer?.data).toHaveLength(3);
    expect(easel.upstream.calls).toHaveLength(3);
    const ids = response.headers.get('x-easel-media-id')?.split(',') ?? [];
    const records = await Promise.all(ids.map((id) => easel.record(id)));
    expect(records.map(({ status }) => status)).toEqual(['succeeded', 'succeeded', 'succeeded']);
    const sum = records.reduce((usd, { cost }) => usd + (cost.usd ?? 0), 0);
    expect(Number(response.headers.get('x-easel-cost-usd'))).toBeCloseTo(sum, 6);
    const one = await generate(easel, { prompt: 'a lighthouse', size: '1024x640' });
    expect(answer?.usage.total_tokens).toBe(3 * (one.answer?.usage.total_tokens ?? 0));
  });

  test('gives those of n that were made, with a warning for each other', async () => {
    await using easel = await startEasel({ skipMs: 50_000 });
    easel.upstream.script(openAiError('moderation_blocked'), picture());
    const { response, answer } = await generate(easel, { prompt: 'a lighthouse', n: 2 });
    expect(response.status).toBe(200);
    expect(answer?.data).toHaveLength(1);
    expect(warningsOf(response)).toEqual([
      { code: 'picture_failed', detail: expect.stringMatching(/^picture [12] of 2 was not made: /) },
    ]);
  });

  test('has the usage of an answer that only names its picture', async () => {
    await using easel = await startEasel({ skipMs: 50_000 });
    easel.upstream.script(picture({ as: 'url' }));
    const { answer } = await generate(easel, { prompt: 'a lighthouse', size: '1024x640' });
    expect(answer?.data[0]?.b64_json?.length).toBeGreaterThan(1_000);
    expect(answer?.usage.output_tokens).toBeGreaterThan(0);
  });

  test('gives zeros where the upstream gave no usage', async () => {
    await using easel = await startEasel({ skipMs: 50_000 });
    easel.upstream.script(picture({ usage: null }));
    const { answer } = await generate(easel, { prompt: 'a lighthouse' });
    expect(answer?.usage).toEqual({
      input_tokens: 0,
      input_tokens_details: { text_tokens: 0, image_tokens: 0 },
      output_tokens: 0,
      total_tokens: 0,
    });
  });
});

describe('a URL where no host is known', () => {
  test('is a path', async () => {
    await using easel = await startEasel({ skipMs: 50_000 });
    const body = JSON.stringify({ prompt: 'a lighthouse', size: '1024x640', response_format: 'url' });
    const socket = connect(Number(new URL(easel.url).port), '127.0.0.1');
    socket.write(
      `POST /v1/images/generations HTTP/1.0\r\ncontent-type: application/json\r\ncontent-length: ${body.length}\r\n\r\n${body}`,
    );
    const text = Buffer.concat(await socket.toArray()).toString();
    expect(text).toMatch(/^HTTP\/1\.1 200/);
    expect(text).toMatch(/"url":"\/media\//);
  });
});
