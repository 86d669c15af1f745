import { createHash } from 'node:crypto';
import { setImmediate } from 'node:timers/promises';
import sharp from 'sharp';
import { describe, expect, onTestFinished, test } from 'vitest';
import { openAiPictures } from '../../src/api/openai/answers.ts';
import { openAiError } from '../../src/api/openai/errors.ts';
import { openAiTask } from '../../src/api/openai/tasks.ts';
import { type Easel, startEasel } from '../support/app/easel.ts';
import { startFileServer } from '../support/network/file-server.ts';
import { texturedPicture } from '../support/pictures.ts';
import { bearer, TEST_KEYS } from '../support/test-keys.ts';
import { eventually } from '../support/until.ts';

const SIZE = '1024x640';
const one = await texturedPicture({ width: 256, height: 256 });
const two = await texturedPicture({ width: 320, height: 240 });
const mask = await maskOf(256, 256);
const narrowMask = await maskOf(128, 256);
const EDIT = { model: 'gpt-image-2', prompt: 'the same at night', size: SIZE } as const;

async function maskOf(width: number, height: number): Promise<Buffer> {
  const background = { r: 0, g: 0, b: 0, alpha: 0 };
  return await sharp({ create: { width, height, channels: 4, background } })
    .png()
    .toBuffer();
}

const hashOf = (bytes: Buffer) => createHash('sha256').update(bytes).digest('hex');
const dataUrl = (bytes: Buffer) => `data:image/png;base64,${bytes.toString('base64')}`;

type Parts = readonly (readonly [name: string, bytes: Buffer])[];

async function sendForm(easel: Easel, files: Parts, path = 'edits', fields: Readonly<Record<string, string>> = EDIT) {
  const body = new FormData();
  for (const [name, value] of Object.entries(fields)) body.append(name, value);
  for (const [name, bytes] of files) body.append(name, new Blob([new Uint8Array(bytes)]), 'a.png');
  return await fetch(`${easel.url}/v1/images/${path}`, { method: 'POST', body });
}

async function sendJson(easel: Easel, body: object, path = 'edits', headers: Readonly<Record<string, string>> = {}) {
  return await fetch(`${easel.url}/v1/images/${path}`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', ...headers },
    body: JSON.stringify({ ...EDIT, ...body }),
  });
}

/** What went upstream: the operation, and each file by its field and content. */
const sent = (easel: Easel) =>
  easel.upstream.calls.map(({ operation, files }) => ({
    operation,
    files: files.map(({ field, sha256 }) => [field, sha256]),
  }));

const WITH_MASK = [
  ['mask', hashOf(mask)],
  ['image[]', hashOf(one)],
  ['image[]', hashOf(two)],
];

test('an answer has room for all that gives back what its call holds', async () => {
  const warnings: Error[] = [];
  const note = (warning: Error) => void warnings.push(warning);
  process.on('warning', note);
  onTestFinished(() => void process.off('warning', note));
  await using easel = await startEasel();
  const answer = await sendJson(easel, { images: [{ image_url: dataUrl(one) }], n: 2 });
  expect(openAiPictures.parse(await answer.json()).data).toHaveLength(2);
  await setImmediate();
  expect(warnings).toEqual([]);
});

describe('the pictures of an edit go upstream as they came, in their order', () => {
  test('from a form, and are in its usage', async () => {
    await using easel = await startEasel();
    const files = [
      ['mask', mask],
      ['image[1]', two],
      ['image[0]', one],
    ] as const;
    const response = await sendForm(easel, files);
    const { usage, data } = openAiPictures.parse(await response.json());
    expect(sent(easel)).toEqual([{ operation: 'edits', files: WITH_MASK }]);
    expect(usage.input_tokens_details.image_tokens).toBeGreaterThan(0);
    expect(usage.total_tokens).toBe(usage.input_tokens + usage.output_tokens);
    expect(data).toHaveLength(1);
  });

  test('from JSON, as data URLs and by address', async () => {
    await using files = await startFileServer();
    const address = files.serve('/two.png', two);
    await using easel = await startEasel({ env: { FETCH_ALLOW_HOSTS: files.host } });
    const images = [{ image_url: dataUrl(one) }, { image_url: address }];
    const response = await sendJson(easel, { images, mask: { image_url: dataUrl(mask) } });
    expect(response.status).toBe(200);
    expect(sent(easel)).toEqual([{ operation: 'edits', files: WITH_MASK }]);
  });

  test.each(['form', 'JSON'] as const)('by the asynchronous name, from %s', async (kind) => {
    await using easel = await startEasel();
    const accepted =
      kind === 'form'
        ? await sendForm(easel, [['image', one]], 'edits/async')
        : await sendJson(easel, { images: [{ image_url: dataUrl(one) }] }, 'edits/async');
    expect(accepted.status).toBe(202);
    const { id } = openAiTask.parse(await accepted.json());
    expect(accepted.headers.get('location')).toBe(`/v1/images/tasks/${id}`);
    const task = await eventually(async () => {
      const found = openAiTask.parse(await (await easel.get(`/v1/images/tasks/${id}`)).json());
      expect(found.status).toBe('completed');
      return found;
    });
    expect(task.result?.data[0]?.url).toBe(`${easel.url}/media/${id}.png`);
    expect(sent(easel)).toEqual([{ operation: 'edits', files: [['image', hashOf(one)]] }]);
  });
});

describe('an edit that cannot be is refused with its parameter, and nothing is stored or called', () => {
  const svg = Buffer.from('<svg xmlns="http://www.w3.org/2000/svg" width="9" height="9"/>');
  const large = Buffer.concat([one, Buffer.alloc(51_000_000 - one.length)]);
  const image: readonly [string, Buffer] = ['image', one];

  test.each<readonly [string, Parts, number, string, string]>([
    ['17 pictures', Array.from({ length: 17 }, () => ['image[]', one] as const), 400, 'unsupported_parameter', 'image'],
    ['51 MB', [image, ['image', large]], 413, 'payload_too_large', 'image.1'],
    ['more bytes than a part may have', [['image', Buffer.alloc(53_000_000)]], 413, 'payload_too_large', 'image'],
    ['a mask of another size', [image, ['mask', narrowMask]], 400, 'invalid_request', 'mask'],
    ['a mask without alpha', [image, ['mask', one]], 400, 'invalid_request', 'mask'],
    ['an SVG', [image, ['image', svg]], 400, 'invalid_request', 'image.1'],
    ['a cut picture', [['image', one.subarray(0, one.length / 2)]], 400, 'invalid_request', 'image.0'],
    ['nothing in it', [['image', Buffer.alloc(0)]], 400, 'invalid_request', 'image.0'],
  ])('a form with %s', async (_name, parts, status, code, param) => {
    await using easel = await startEasel();
    const response = await sendForm(easel, parts);
    expect(response.status).toBe(status);
    expect(openAiError.parse(await response.json()).error).toMatchObject({ code, param });
    expect(easel.upstream.calls).toEqual([]);
    expect(await easel.files()).toEqual([]);
  });

  test.each([
    ['an SVG', { images: [{ image_url: dataUrl(one) }, { image_url: dataUrl(svg) }] }, 'image.1'],
    ['a refused address', { images: [{ image_url: 'http://127.0.0.1/a.png' }] }, 'image.0'],
    ['a mask of another size', { images: [{ image_url: dataUrl(two) }], mask: { image_url: dataUrl(mask) } }, 'mask'],
  ])('JSON with %s', async (_name, body, param) => {
    await using easel = await startEasel();
    const response = await sendJson(easel, body);
    expect(response.status).toBe(400);
    expect(openAiError.parse(await response.json()).error).toMatchObject({ code: 'invalid_request', param });
    expect(easel.upstream.calls).toEqual([]);
    expect(await easel.files()).toEqual([]);
  });

  test("a picture of another key by its address here, which the guard refuses as any other of this machine's", async () => {
    await using easel = await startEasel({ env: { API_KEYS: TEST_KEYS } });
    const made = await sendJson(easel, { response_format: 'url' }, 'generations', bearer('blog'));
    const [{ url } = {}] = openAiPictures.parse(await made.json()).data;
    const response = await sendJson(easel, { images: [{ image_url: url }] }, 'edits', bearer('shop'));
    expect(openAiError.parse(await response.json()).error).toMatchObject({ code: 'invalid_request', param: 'image.0' });
    expect(easel.upstream.calls).toHaveLength(1);
  });
});
