import { once } from 'node:events';
import { connect } from 'node:net';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { problem } from '../../../../src/api/problem.ts';
import { exampleImage } from '../../../support/app/fake-images.ts';
import { type HttpApp, openHttpApp } from '../../../support/app/http-app.ts';
import { collectGarbage } from '../../../support/collect-garbage.ts';
import { BOUNDARY, multipart, type PartToSend } from '../../../support/multipart.ts';
import { until } from '../../../support/until.ts';

const MIB = 1024 * 1024;
const MEMORY = 4.5 * MIB;

let http: HttpApp;
/** An app with more memory than a model takes. */
let ample: HttpApp;

beforeAll(async () => {
  http = await openHttpApp({}, { inputMemoryBytes: MEMORY });
  ample = await openHttpApp({}, { inputMemoryBytes: 1024 * MIB });
});
afterAll(async () => {
  await http[Symbol.asyncDispose]();
  await ample[Symbol.asyncDispose]();
});
beforeEach(() => {
  http.images.onSubmit = null;
  http.images.stored.clear();
  http.images.submitted.length = 0;
});

const request = (value: unknown): PartToSend => ({
  name: 'request',
  content: typeof value === 'string' ? value : JSON.stringify(value),
  contentType: 'application/json',
});
const file = (name: string, content: string | Buffer): PartToSend => ({
  name,
  content,
  fileName: `${name}.png`,
  contentType: 'image/png',
});

interface Sending {
  readonly path?: string;
  readonly contentType?: string;
}

/** Sends bytes as a multipart body in one request over a connection of its own. */
async function sendBytes(bytes: Buffer, { path = '/images', contentType = multipart([]).contentType }: Sending = {}) {
  const answer = await fetch(`http://127.0.0.1:${http.port}${path}`, {
    method: 'POST',
    headers: { 'content-type': contentType, prefer: 'respond-async', connection: 'close' },
    body: bytes,
  });
  return { status: answer.status, headers: answer.headers, body: (await answer.json()) as { detail: string } };
}

const send = async (parts: readonly PartToSend[], sending?: Sending) =>
  await sendBytes(multipart(parts).bytes, sending);

/** The head of a request with a multipart body of this length. */
const head = (length: number, path = '/images') =>
  `POST ${path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: ${length}\r\n` +
  `Content-Type: multipart/form-data; boundary=${BOUNDARY}\r\n\r\n`;

const PROMPT = { prompt: 'a lighthouse' };
const TWO = { ...PROMPT, inputs: [{ file: 'image' }, { mediaId: 'logo' }], mask: { file: 'mask' } };
const TWO_FILES = [file('image', Buffer.from([0, 255, 13, 10])), file('mask', 'the mask')];

describe('a multipart body', () => {
  test.each([
    ['with the request first', [request(TWO), ...TWO_FILES]],
    ['with the request last', [...TWO_FILES, request(TWO)]],
    ['with the request between', [TWO_FILES[1], request(TWO), TWO_FILES[0]] as PartToSend[]],
    ['whose request has a file name', [{ ...request(TWO), fileName: 'blob' }, ...TWO_FILES]],
    ['whose files have no file names', [request(TWO), ...TWO_FILES.map(({ name, content }) => ({ name, content }))]],
  ])('%s reaches the use case with its files in place', async (_what, parts) => {
    expect((await send(parts)).status).toBe(202);
    expect(http.images.submitted.map(({ request }) => request)).toEqual([
      {
        ...PROMPT,
        inputs: [{ file: 'image', bytes: Buffer.from([0, 255, 13, 10]) }, { mediaId: 'logo' }],
        mask: { file: 'mask', bytes: Buffer.from('the mask') },
      },
    ]);
  });

  test('may be the request alone, and may name a file twice', async () => {
    expect((await send([request(PROMPT)])).status).toBe(202);
    const twice = { ...PROMPT, inputs: [{ file: '__proto__' }, { file: '__proto__' }] };
    expect((await send([request(twice), file('__proto__', 'x')])).status).toBe(202);
    const bytes = Buffer.from('x');
    expect(http.images.submitted.map(({ request }) => request.inputs)).toEqual([
      undefined,
      [
        { file: '__proto__', bytes },
        { file: '__proto__', bytes },
      ],
    ]);
    expect(Object.keys(Object.prototype)).toEqual([]);
  });

  test('is what a browser or Node makes of a form', async () => {
    const form = new FormData();
    form.append('image', new Blob(['bytes'], { type: 'image/png' }), 'logo "1".png');
    form.append('request', JSON.stringify({ ...PROMPT, inputs: [{ file: 'image' }] }));
    const answer = await fetch(`http://127.0.0.1:${http.port}/images`, {
      method: 'POST',
      headers: { prefer: 'respond-async' },
      body: form,
    });
    expect(answer.status).toBe(202);
    const inputs = [{ file: 'image', bytes: Buffer.from('bytes') }];
    expect(http.images.submitted[0]?.request.inputs).toEqual(inputs);
  });

  test('is taken by the preview too', async () => {
    const { status, body } = await send([request(TWO), ...TWO_FILES], { path: '/images/preview' });
    expect([status, body]).toMatchObject([200, { prompt: PROMPT.prompt }]);
  });

  test.each(['/images/x/retry', '/images/x/cancel', '/cleanup'])('is a 415 for %s', async (path) => {
    const { status, body } = await send([request(PROMPT)], { path });
    expect([status, body]).toMatchObject([415, { code: 'unsupported_media_type' }]);
  });
});

describe('a wrong multipart body is refused:', () => {
  const one = { ...PROMPT, inputs: [{ file: 'image' }] };
  test.each<[string, readonly PartToSend[], string[], RegExp]>([
    ['without the request', TWO_FILES, ['request'], /missing/],
    ['without any part', [], ['request'], /missing/],
    ['with the request twice', [request(PROMPT), request(PROMPT)], ['request'], /once/],
    ['with a request that is no JSON', [request('{"prompt": ')], ['request'], /not valid JSON/],
    ['with an empty request', [request('')], ['request'], /not valid JSON/],
    ['with a request that is not UTF-8', [{ name: 'request', content: Buffer.from([255]) }], ['request'], /UTF-8/],
    ['with __proto__ in the request', [request('{"prompt":"a","__proto__":{}}')], ['request'], /__proto__/],
    ['with a wrong field in the request', [request({ ...PROMPT, size: 'big' })], ['size'], /wrong in the body/],
    ['with a request that is a list', [request([])], ['body'], /wrong in the body/],
    ['with a file that is missing', [request(one)], ['inputs.0.file'], /inputs\.0\.file/],
    ['with the request as a file', [request({ ...PROMPT, inputs: [{ file: 'request' }] })], ['inputs.0.file'], /file/],
    [
      'with a file that comes twice',
      [request(one), file('image', 'a'), file('image', 'b')],
      ['inputs.0.file'],
      /inputs\.0\.file/,
    ],
    ['with a mask that is missing', [request(TWO), file('image', 'a')], ['mask.file'], /mask\.file/],
    ['with a file that nothing names', [request(PROMPT), file('image', 'a')], ['image'], /image/],
    [
      'with a field that nothing names',
      [request(PROMPT), { name: 'constructor', content: 'a' }],
      ['constructor'],
      /constructor/,
    ],
  ])('%s', async (_what, parts, paths, detail) => {
    const { status, body } = await send(parts);
    expect(status).toBe(400);
    const { code, detail: found, errors } = problem.parse(body);
    expect([code, errors?.map(({ path }) => path)]).toEqual(['invalid_request', paths]);
    expect(found).toMatch(detail);
    expect(http.images.submitted).toEqual([]);
  });

  const { bytes } = multipart([request(TWO), ...TWO_FILES]);
  const many = multipart([request(PROMPT), ...Array.from({ length: 10_000 }, () => file('image', 'x'))]).bytes;
  test.each<[string, Buffer, Sending, number, string]>([
    ['without a boundary', bytes, { contentType: 'multipart/form-data' }, 400, 'invalid_request'],
    ['with an empty boundary', bytes, { contentType: 'multipart/form-data; boundary=""' }, 400, 'invalid_request'],
    ['with another boundary', bytes, { contentType: 'multipart/form-data; boundary=x' }, 400, 'invalid_request'],
    ['with 10,000 parts', many, {}, 400, 'invalid_request'],
    ['that is empty', Buffer.alloc(0), {}, 400, 'invalid_request'],
    ['cut within a file', bytes.subarray(0, -40), {}, 400, 'invalid_request'],
    ['cut within the request', bytes.subarray(0, 150), {}, 400, 'invalid_request'],
    ['without its last boundary', bytes.subarray(0, -(BOUNDARY.length + 6)), {}, 400, 'invalid_request'],
    [
      'that is a mixture',
      bytes,
      { contentType: `multipart/mixed; boundary=${BOUNDARY}` },
      415,
      'unsupported_media_type',
    ],
    ['whose request is over 1 MiB', multipart([request(' '.repeat(MIB + 1))]).bytes, {}, 413, 'payload_too_large'],
    [
      'whose request is over 1 MiB and a file',
      multipart([{ ...request(' '.repeat(MIB + 1)), fileName: 'blob' }]).bytes,
      {},
      413,
      'payload_too_large',
    ],
  ])('%s', async (_what, body, sending, status, code) => {
    const answer = await sendBytes(body, sending);
    expect([answer.status, problem.parse(answer.body).code]).toEqual([status, code]);
    expect(http.images.submitted).toEqual([]);
  });

  test('that is JSON and names a file', async () => {
    const answer = await fetch(`http://127.0.0.1:${http.port}/images`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify(TWO),
    });
    const { errors } = problem.parse(await answer.json());
    expect([answer.status, errors?.map(({ path }) => path)]).toEqual([400, ['inputs.0.file', 'mask.file']]);
    expect(errors?.[0]?.message).toMatch(/this body is JSON/);
  });
});

describe('a multipart body that is too large', () => {
  const large = Buffer.alloc(51 * MIB, 'x');
  const start = Buffer.from(multipart([request({ ...PROMPT, inputs: [{ file: 'image' }] }), file('image', '')]).bytes);
  // Up to the content of the file.
  const opened = start.subarray(0, start.length - `\r\n--${BOUNDARY}--\r\n`.length);

  test.each<[string, readonly (string | Buffer)[]]>([
    ['a file of 51 MiB', [head(opened.length + large.length), opened, large]],
    [
      'a file of 51 MiB, in one chunk',
      [
        head(0).replace('Content-Length: 0', 'Transfer-Encoding: chunked'),
        `${opened.length.toString(16)}\r\n`,
        opened,
        `\r\n${large.length.toString(16)}\r\n`,
        large,
        '\r\n0\r\n\r\n',
      ],
    ],
  ])('%s: the client can read the whole answer, without a reset', async (_what, chunks) => {
    await using roomy = await openHttpApp({}, { inputMemoryBytes: 128 * MIB });
    const answer = await roomy.raw(...chunks);
    expect(answer).toMatch(/^HTTP\/1.1 413 /);
    const { code } = problem.parse(JSON.parse(answer.slice(answer.indexOf('\r\n\r\n'))));
    expect(code).toBe('payload_too_large');
    expect(roomy.images.submitted).toEqual([]);
  });

  test('a body without room is read on: a client that reads no answer before it has sent all gets it', async () => {
    await using roomy = await openHttpApp({}, { inputMemoryBytes: 80 * MIB });
    const rest = Buffer.alloc(10 * MIB, 'x');
    const open = () => {
      const socket = connect(roomy.port, '127.0.0.1').on('error', () => {});
      const write = (bytes: string | Buffer) =>
        new Promise<void>((resolve, reject) => socket.write(bytes, (error) => (error ? reject(error) : resolve())));
      return { socket, write };
    };
    const held = open();
    await held.write(head(opened.length + 6 * rest.length));
    await held.write(opened);
    for (let piece = 0; piece < 4; piece += 1) await held.write(rest);

    const { socket, write } = open();
    await write(head(opened.length + 6 * rest.length));
    await write(opened);
    for (let piece = 0; piece < 6; piece += 1) await write(rest);
    const [answer] = await once(socket, 'data');
    expect(String(answer)).toMatch(/^HTTP\/1.1 429 .*queue_full/s);
    socket.destroy();
    held.socket.destroy();
  });

  test.each([
    ['the memory for uploads', () => http, MEMORY, '4.5 MiB'],
    ['what a model takes', () => ample, 16 * 50 * MIB + 8 * MIB, '808 MiB'],
  ])(
    'is refused by its length before the client has sent it, where that is more than %s',
    async (_what, app, bytes, most) => {
      const socket = connect(app().port, '127.0.0.1');
      socket.write(head(bytes + 1));
      const [answer] = await once(socket, 'data');
      expect(String(answer)).toMatch(/^HTTP\/1.1 413 /);
      expect(String(answer)).toContain(`not be larger than ${most}`);
      socket.destroy();
    },
  );
});

describe('the room for bodies in hand', () => {
  const input = { ...PROMPT, inputs: [{ file: 'image' }] };
  const upload = (bytes: number) => [request(input), file('image', Buffer.alloc(bytes, 'x'))];
  /** Sends the first 3 MiB of a body of 4 MiB, and resolves once the app has them: another one of 2 MiB has no room then. */
  async function sendHalf() {
    const { bytes } = multipart(upload(4 * MIB));
    const open = () => {
      const opened = connect(http.port, '127.0.0.1').on('error', () => {});
      // It is refused itself where it comes while another body is in hand.
      opened.once('data', () => {
        opened.destroy();
        socket = open();
      });
      opened.write(head(bytes.length));
      opened.write(bytes.subarray(0, 3 * MIB));
      return opened;
    };
    let socket = open();
    await until(async () => (await send(upload(2 * MIB))).status === 429);
    return socket;
  }

  test('is bounded: beyond it a request is to come back later, and one with less or with JSON is served', async () => {
    const socket = await sendHalf();
    const { status, headers, body } = await send(upload(2 * MIB));
    expect([status, headers.get('retry-after'), body]).toMatchObject([429, '5', { code: 'queue_full' }]);
    expect((await send(upload(1000))).status).toBe(202);
    socket.destroy();
    await once(socket, 'close');
  });

  test('is given back when a client leaves in the middle of its body', async () => {
    const socket = await sendHalf();
    http.images.submitted.length = 0;
    socket.destroy();
    await until(async () => (await send(upload(2 * MIB))).status === 202);
    expect(http.images.submitted).toHaveLength(1);
  });

  test.each([
    ['its request is refused', { ...input, size: 'big' }],
    ['its file is not named', PROMPT],
  ])('is given back when %s', async (_what, wrong) => {
    for (let round = 0; round < 3; round += 1) {
      const { status } = await send([request(wrong), file('image', Buffer.alloc(2 * MIB))]);
      expect(status).toBe(400);
    }
    await until(async () => (await send(upload(3 * MIB))).status === 202);
  });

  test('is given back, and the bytes with it, once the request is accepted, though its client waits on', async () => {
    const bytes: WeakRef<object>[] = [];
    http.images.onSubmit = ({ inputs }) => {
      for (const input of inputs ?? []) if ('bytes' in input) bytes.push(new WeakRef(input.bytes));
      const image = exampleImage({ mediaId: 'x', status: 'queued' });
      http.images.stored.set('x', image);
      return { image, started: true, replayed: false };
    };
    const body = multipart(upload(3 * MIB)).bytes;
    const socket = connect(http.port, '127.0.0.1');
    socket.write(head(body.length));
    socket.write(body);
    await until(() => http.images.waits.length > 0);
    http.images.submitted.length = 0;
    await until(() => {
      collectGarbage();
      return bytes.length === 1 && bytes[0]?.deref() === undefined;
    });
    http.images.onSubmit = null;
    expect((await send(upload(3 * MIB))).status).toBe(202);
    socket.destroy();
  });
});
