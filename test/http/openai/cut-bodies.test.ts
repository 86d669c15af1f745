import { connect } from 'node:net';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { openAiError } from '../../../src/api/openai/errors.ts';
import { createFakeCalls } from '../../support/app/fake-calls.ts';
import { type HttpApp, openHttpApp } from '../../support/app/http-app.ts';
import { multipart } from '../../support/multipart.ts';
import { until } from '../../support/until.ts';

const MIB = 1024 ** 2;

let http: HttpApp;
let submitted = 0;

beforeAll(async () => {
  const calls = {
    ...createFakeCalls(),
    submit: () => {
      submitted += 1;
      return Promise.reject(new Error('enough is known'));
    },
  };
  http = await openHttpApp({ calls }, { inputMemoryBytes: 3 * MIB });
});

afterAll(() => http[Symbol.asyncDispose]());

const FORM = multipart([
  { name: 'prompt', content: 'a' },
  { name: 'image', content: Buffer.alloc(2 * MIB), fileName: 'a.png' },
]);
const JSON_EDIT = {
  contentType: 'application/json',
  bytes: Buffer.from(JSON.stringify({ prompt: 'a', images: [{ image_url: `data:;base64,${'A'.repeat(2 * MIB)}` }] })),
};

async function send(path: string, { contentType, bytes }: typeof FORM): Promise<Response> {
  const headers = { 'content-type': contentType };
  return await fetch(`http://127.0.0.1:${http.port}/v1/images/${path}`, { method: 'POST', headers, body: bytes });
}

describe('a client that leaves in the middle of its body', () => {
  test.each([
    ['a form', 'edits', FORM, 'content-length'],
    ['a form in chunks', 'edits', FORM, 'transfer-encoding'],
    ['JSON', 'edits', JSON_EDIT, 'content-length'],
    ['a form of an asynchronous edit', 'edits/async', FORM, 'content-length'],
  ] as const)('of %s leaves nothing: no call, and its room is free', async (_name, path, body, framing) => {
    const before = submitted;
    const half = body.bytes.subarray(0, body.bytes.length / 2);
    const socket = connect(http.port, '127.0.0.1');
    const length = framing === 'content-length' ? `content-length: ${body.bytes.length}` : 'transfer-encoding: chunked';
    socket.write(
      `POST /v1/images/${path} HTTP/1.1\r\nhost: a\r\ncontent-type: ${body.contentType}\r\n${length}\r\n\r\n`,
    );
    if (framing === 'transfer-encoding') socket.write(`${half.length.toString(16)}\r\n`);
    await new Promise((resolve) => socket.write(half, resolve));
    socket.destroy();
    await until(async () => (await send(path, body)).status === 500);
    expect(submitted).toBe(before + 1);
  });
});

describe('a form that is none', () => {
  const cut = { ...FORM, bytes: FORM.bytes.subarray(0, FORM.bytes.length - 20) };
  const tenThousand = multipart(Array.from({ length: 10_000 }, (_, index) => ({ name: `f${index}`, content: 'a' })));

  test.each([
    ['that is cut', cut, 'ends before its last boundary'],
    ['of 10,000 parts', tenThousand, 'more than 100 parts'],
    ['without a boundary', { ...FORM, contentType: 'multipart/form-data' }, 'has no boundary'],
  ])('%s is refused in the shape of the dialect', async (_name, body, message) => {
    const before = submitted;
    const response = await send('edits', body);
    expect(response.status).toBe(400);
    const { error } = openAiError.parse(await response.json());
    expect(error).toMatchObject({ code: 'invalid_request', message: expect.stringContaining(message) });
    expect(submitted).toBe(before);
  });
});
