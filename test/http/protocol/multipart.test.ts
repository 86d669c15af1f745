import { createHash } from 'node:crypto';
import { Readable } from 'node:stream';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { type BytesInHand, createBytesInHand } from '../../../src/core/domain/bytes-in-hand.ts';
import { type MultipartLimits, readMultipart, textOf, UPLOAD_LIMITS } from '../../../src/http/protocol/multipart.ts';
import { ProblemError } from '../../../src/http/protocol/problem.ts';
import { multipart, type PartToSend } from '../../support/multipart.ts';

interface Reading {
  readonly contentType?: string;
  readonly limits?: Partial<MultipartLimits>;
  readonly inHand?: BytesInHand;
  /** Size of the chunks in which the body arrives. */
  readonly step?: number;
}

/** Reads a body that arrives in chunks. */
async function read(bytes: Buffer, { contentType, limits, inHand, step = bytes.length || 1 }: Reading = {}) {
  const chunks = Array.from({ length: Math.ceil(bytes.length / step) }, (_, index) =>
    bytes.subarray(index * step, (index + 1) * step),
  );
  return await readMultipart(
    Readable.from(chunks, { objectMode: false }),
    { 'content-type': contentType ?? multipart([]).contentType },
    { ...UPLOAD_LIMITS, ...limits },
    inHand ?? createBytesInHand(Number.POSITIVE_INFINITY),
  );
}

const readParts = async (parts: readonly PartToSend[], reading?: Reading) =>
  await read(multipart(parts).bytes, reading);

/** The problem that reading ends with. */
async function problemOf(reading: Promise<unknown>) {
  const error = await reading.then(
    () => expect.fail('was read'),
    (error: unknown) => error,
  );
  if (!(error instanceof ProblemError)) throw error;
  return error.spec;
}

const PICTURE = Buffer.from(Array.from({ length: 1000 }, (_, index) => index % 256));
const PARTS: readonly PartToSend[] = [
  { name: 'prompt', content: 'é, and a second line\r\n--a-boundar' },
  { name: 'image', content: PICTURE, fileName: 'ä/../a.png', contentType: 'image/png' },
  { name: '__proto__', content: '' },
  { name: 'image', content: 'second', contentType: 'image/webp' },
  { name: 'constructor', content: 'third', contentType: 'application/octet-stream' },
];

describe('readMultipart', () => {
  test.each([1, 7, 64, 100_000])('reads parts in their order, in chunks of %i bytes', async (step) => {
    const { parts } = await readParts(PARTS, { step });
    expect(parts.map(({ name, fileName, contentType, isFile }) => [name, fileName, contentType, isFile])).toEqual([
      ['prompt', null, 'text/plain', false],
      ['image', 'ä/../a.png', 'image/png', true],
      ['__proto__', null, 'text/plain', false],
      ['image', null, 'image/webp', true],
      ['constructor', null, 'application/octet-stream', true],
    ]);
    expect(parts.map(({ bytes }) => bytes)).toEqual(PARTS.map(({ content }) => Buffer.from(content)));
    expect(parts.map(({ sha256 }) => sha256)).toEqual(
      PARTS.map(({ content }) => createHash('sha256').update(content).digest('hex')),
    );
    expect(parts[0] && textOf(parts[0])).toBe(PARTS[0]?.content);
    expect(parts[1] && textOf(parts[1])).toBeNull();
  });

  test('leaves out what stands before the first boundary and after the last', async () => {
    const { bytes } = multipart([{ name: 'a', content: '1' }]);
    const { parts } = await read(Buffer.concat([Buffer.from('before\r\n'), bytes, Buffer.from('after')]), { step: 3 });
    expect(parts.map(({ name }) => name)).toEqual(['a']);
  });

  describe('the digest', () => {
    const digest = async (parts: readonly PartToSend[], boundary?: string) => {
      const { bytes, contentType } = multipart(parts, boundary);
      return (await read(bytes, { contentType })).digest;
    };
    const a = { name: 'a', content: '1' };
    const file = { name: 'image', content: 'x', fileName: 'a.png', contentType: 'image/png' };
    const other = { ...file, content: 'y' };

    test('goes by names and contents, whatever the boundary, the file names and the order of the names', async () => {
      const wanted = await digest([a, file, other]);
      expect(await digest([a, file, other], 'another')).toBe(wanted);
      expect(await digest([file, a, other])).toBe(wanted);
      expect(await digest([a, { ...file, fileName: 'b.png', contentType: 'image/webp' }, other])).toBe(wanted);
    });

    test.each<[string, readonly PartToSend[]]>([
      ['another value', [{ ...a, content: '2' }, file, other]],
      ['another name', [{ ...a, name: 'b' }, file, other]],
      ['another order of files of one name', [a, other, file]],
      ['another file', [a, file, { ...other, content: 'z' }]],
      ['a part less', [a, file]],
      ['a part twice', [a, a, file, other]],
      ['a field in place of a file', [a, { name: 'image', content: 'x' }, other]],
    ])('tells %s', async (_what, parts) => {
      expect(await digest(parts)).not.toBe(await digest([a, file, other]));
    });
  });

  const { bytes } = multipart(PARTS);
  test.each<[string, () => Promise<unknown>, string, RegExp]>([
    ['no boundary', () => read(bytes, { contentType: 'multipart/form-data' }), 'invalid_request', /boundary/],
    [
      'a boundary that is too long',
      () => read(bytes, { contentType: `multipart/form-data; boundary=${'a'.repeat(5_000)}` }),
      'invalid_request',
      /boundary/,
    ],
    [
      'another boundary',
      () => read(bytes, { contentType: 'multipart/form-data; boundary=other' }),
      'invalid_request',
      /boundary/,
    ],
    ['an empty body', () => read(Buffer.alloc(0)), 'invalid_request', /ends before its last boundary/],
    ['a part without a name', () => readParts([]).then(() => read(withoutName())), 'invalid_request', /without a name/],
    ...['', 'Content-Type: image/png', 'Content-Disposition: attachment; name="a"', 'X: y'].map(
      (head): [string, () => Promise<unknown>, string, RegExp] => [
        `a part that is no form data but has the head '${head}'`,
        () => read(withHead(head)),
        'invalid_request',
        /without a `Content-Disposition: form-data/,
      ],
    ),
    [
      '10,000 parts',
      () => readParts(Array.from({ length: 10_000 }, () => ({ name: 'a', content: '' }))),
      'invalid_request',
      /more than 100 parts/,
    ],
    [
      'a large file',
      () => readParts(PARTS, { limits: { maxFileBytes: 999 } }),
      'payload_too_large',
      /part must not be larger/,
    ],
    ['a large field', () => readParts(PARTS, { limits: { maxTextBytes: 5 } }), 'payload_too_large', /part must not/],
    ['a large body', () => readParts(PARTS, { limits: { maxBytes: 1_000 } }), 'payload_too_large', /body must not/],
  ])('refuses %s', async (_what, reading, code, detail) => {
    const problem = await problemOf(reading());
    expect(problem.code).toBe(code);
    expect(problem.detail).toMatch(detail);
  });

  test('refuses a body that is cut, wherever that is', async () => {
    const end = bytes.length - '--\r\n'.length;
    for (let length = 0; length <= end; length += 13) {
      for (const step of [50, length || 1]) {
        const problem = await problemOf(read(bytes.subarray(0, length), { step }));
        expect(problem.code, `after ${length} bytes`).toBe('invalid_request');
      }
    }
  });

  test('reads or refuses any other bytes: it neither hangs nor raises another error', async () => {
    const edit = fc.record({
      at: fc.nat({ max: bytes.length }),
      drop: fc.nat({ max: 40 }),
      put: fc.uint8Array({ maxLength: 9 }),
    });
    const edits = fc.array(edit, { maxLength: 4 });
    await fc.assert(
      fc.asyncProperty(edits, fc.integer({ min: 1, max: 400 }), async (edits, step) => {
        const edited = edits.reduce(
          (all, { at, drop, put }) => Buffer.concat([all.subarray(0, at), put, all.subarray(at + drop)]),
          bytes,
        );
        const inHand = createBytesInHand(100_000);
        const body = await read(edited, { step, inHand }).catch((error: unknown) => {
          if (!(error instanceof ProblemError)) throw error;
        });
        body?.[Symbol.dispose]();
        expect(inHand.bytes).toBe(0);
      }),
      { numRuns: 300 },
    );
  });

  test('refuses a body whose connection breaks', async () => {
    const broken = new Readable({ read: () => {} });
    broken.push(bytes.subarray(0, 600));
    const inHand = createBytesInHand(10_000);
    const headers = { 'content-type': multipart([]).contentType };
    const reading = readMultipart(broken, headers, UPLOAD_LIMITS, inHand);
    setImmediate(() => broken.destroy(new Error('reset')));
    expect((await problemOf(reading)).detail).toMatch(/was cut/);
    expect(inHand.bytes).toBe(0);
  });

  test('refuses by its length a body that is too large, without reading it', async () => {
    const body = new Readable({ read: () => expect.fail('was read') });
    const headers = { 'content-type': multipart([]).contentType, 'content-length': '1001' };
    const reading = readMultipart(body, headers, { ...UPLOAD_LIMITS, maxBytes: 1_000 }, createBytesInHand(10_000));
    expect((await problemOf(reading)).code).toBe('payload_too_large');
  });
});

/** A body whose second part has this head. */
function withHead(head: string): Buffer {
  const { bytes } = multipart([
    { name: 'b', content: '1' },
    { name: 'a', content: '2' },
  ]);
  return Buffer.from(bytes.toString().replace('Content-Disposition: form-data; name="a"', head));
}

/** A body whose one part bears no name. */
function withoutName(): Buffer {
  const { bytes } = multipart([{ name: 'a', content: '1' }]);
  return Buffer.from(bytes.toString().replace('; name="a"', ''));
}

describe('the bytes in hand', () => {
  test('are those of bodies that are not disposed of', async () => {
    const { length } = multipart(PARTS).bytes;
    const inHand = createBytesInHand(2 * length + 10);
    const first = await readParts(PARTS, { inHand });
    expect(inHand.bytes).toBe(length);
    const second = await readParts(PARTS, { inHand });
    await expect(readParts(PARTS, { inHand })).rejects.toMatchObject({ code: 'queue_full', retryAfterSeconds: 5 });
    expect(inHand.bytes).toBe(2 * length);
    first[Symbol.dispose]();
    first[Symbol.dispose]();
    expect(first.parts).toEqual([]);
    expect(inHand.bytes).toBe(length);
    await readParts(PARTS, { inHand });
    second[Symbol.dispose]();
    expect(inHand.bytes).toBe(length);
  });
});
