import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import {
  decodeInlinePictures,
  type InlinePictures,
} from '../../../../../src/adapters/providers/openai/answers/inline-pictures.ts';

interface BodyOptions {
  readonly headers?: Readonly<Record<string, string>>;
  /** Bytes per chunk. */
  readonly chunk?: number;
}

function decode(text: string, { headers = {}, chunk = 7 }: BodyOptions = {}): InlinePictures {
  const bytes = Buffer.from(text);
  let at = 0;
  const body = new ReadableStream({
    pull(controller) {
      if (at >= bytes.length) return controller.close();
      controller.enqueue(new Uint8Array(bytes.subarray(at, at + chunk)));
      at += chunk;
    },
  });
  return decodeInlinePictures(body, new Headers(headers));
}

const textOf = async ({ body }: InlinePictures) => Buffer.concat(await Array.fromAsync(body)).toString();

/** The parsed text of the rewritten body, each reference replaced by its picture in hex. */
async function read(text: string, options?: BodyOptions): Promise<unknown> {
  const rewritten = decode(text, options);
  return JSON.parse(await textOf(rewritten), (key, value: unknown) =>
    key === 'b64_json' && typeof value === 'string' ? (rewritten.picture(value)?.toString('hex') ?? null) : value,
  );
}

/** The expected result: parses first and decodes afterwards. */
function readPlainly(text: string): unknown {
  return JSON.parse(text, (key, value: unknown) => {
    if (key !== 'b64_json' || typeof value !== 'string') return value;
    return /^(?:[\w+/-]{4})*(?:[\w+/-]{2,3}={0,2})?$/.test(value) ? Buffer.from(value, 'base64').toString('hex') : null;
  });
}

describe('decoding the pictures of a JSON response', () => {
  test('puts a short reference in the place of each', async () => {
    const rewritten = decode('{"data":[{"b64_json":"AQID"},{"b64_json":"BAU="}]}');
    const { data } = JSON.parse(await textOf(rewritten)) as { data: { b64_json: string }[] };
    const references = data.map(({ b64_json }) => b64_json);
    expect(new Set(references.map(({ length }) => length))).toEqual(new Set([36]));
    expect(references.map(rewritten.picture)).toEqual([Buffer.from([1, 2, 3]), Buffer.from([4, 5])]);
  });

  test('gives null for an unknown reference and for one of another body', async () => {
    const rewritten = decode('{"b64_json":"AQID"}');
    const { b64_json } = JSON.parse(await textOf(rewritten)) as { b64_json: string };
    expect(rewritten.picture('AQID')).toBeNull();
    expect(decode('{}').picture(b64_json)).toBeNull();
  });

  test.each([
    ['white space everywhere', ' { "data" :\r\n[ { "b64_json"\t:\n "AQID" } ] } '],
    [
      'other fields around it',
      '{"created":1,"data":[{"revised_prompt":"a \\"b64_json\\" : \\\\","b64_json":"AQID","x":0}]}',
    ],
    ['the key as a value', '{"a":"b64_json","b":["b64_json","AQID"],"c":{"b64_json":{"b64_json":"AQID"}}}'],
    ['the key written in escapes', '{"b\\u00364\\u005fjson":"AQID"}'],
    ['the key in escapes throughout', '{"\\u0062\\u0036\\u0034\\u005f\\u006a\\u0073\\u006f\\u006e":"AQID"}'],
    [
      'keys that end or begin like it',
      '{"xb64_json":"AQID","b64_jsonx":"AQID","\\"b64_json":"AQID","b64_json\\\\":"AQID"}',
    ],
    ['a picture that is not base64', '{"data":[{"b64_json":"%%% no %%%"}],"usage":{"b64_json":""}}'],
    ['a quote and a backslash inside the picture', '{"b64_json":"AQID\\"AQID","a":"\\\\","b64_json":"AQ\\\\"}'],
    ['the same key twice', '{"b64_json":"AQID","b64_json":"BAUG"}'],
    ['other values under the key', '{"a":{"b64_json":null},"b":{"b64_json":42},"c":{"b64_json":["AQID"]}}'],
    ['a url', '{"data":[{"url":"https://example.com/b64_json:1.png"}]}'],
    ['text beyond ASCII', '{"añb64_json":"é","data":[{"b64_json":"AQID","revised_prompt":"плакат 🎨"}]}'],
    ['a string instead of an object', '"b64_json"'],
    ['null', 'null'],
  ])('%s: parses to the same value, wherever it is split', async (_what, text) => {
    for (let chunk = 1; chunk <= 16; chunk++) expect(await read(text, { chunk })).toEqual(readPlainly(text));
  });

  test('any valid JSON parses to the same value', async () => {
    const words = fc.constantFrom('b64_json', 'AQID', 'AQ==', '%', '"', '\\', '\\"', 'b64_json"', ':', 'é');
    const json = fc.letrec<{ value: unknown }>((tie) => ({
      value: fc.oneof(
        { depthSize: 'small' },
        words,
        fc.integer(),
        fc.array(tie('value'), { maxLength: 3 }),
        fc.dictionary(words, tie('value'), { maxKeys: 3 }),
      ),
    })).value;
    await fc.assert(
      fc.asyncProperty(json, fc.integer({ min: 1, max: 20 }), fc.constantFrom(0, 1), async (value, chunk, indent) => {
        const text = JSON.stringify(value, null, indent);
        expect(await read(text, { chunk })).toEqual(readPlainly(text));
      }),
    );
  });

  test('JSON that is truncated or broken anywhere stays invalid', async () => {
    const text = '{"data":[{"b64_json":"AQ\\/DBAUG","a":"x"}]}';
    for (let end = 0; end < text.length; end++) await expect(read(text.slice(0, end))).rejects.toThrow(SyntaxError);
    for (const broken of ['{"b64_json"::"AQID"}', '{"b64_json" "AQID"}', '{"b64_json":"AQID}', '{b64_json:"AQID"}']) {
      await expect(read(broken)).rejects.toThrow(SyntaxError);
    }
  });

  test('decodes ten pictures, the most that an API returns, and no more', async () => {
    const pictures = Array.from({ length: 12 }, () => ({ b64_json: 'AQID' }));
    const { data } = (await read(JSON.stringify({ data: pictures }))) as { data: { b64_json: string | null }[] };
    expect(data.filter(({ b64_json }) => b64_json === '010203')).toHaveLength(10);
  });

  test.each<[string, BodyOptions]>([
    ['a length', { headers: { 'content-length': '21' } }],
    ['a length that is too small', { headers: { 'content-length': '1' } }],
    ['a length that is absurd', { headers: { 'content-length': '999999999999' } }],
    ['a length that is not a number', { headers: { 'content-length': 'x' } }],
    ['a length of compressed bytes', { headers: { 'content-length': '21', 'content-encoding': 'gzip' } }],
  ])('a response with %s is read', async (_what, options) => {
    const bytes = Buffer.alloc(200_000, 'easel');
    const text = JSON.stringify({ b64_json: bytes.toString('base64') });
    expect(await read(text, { ...options, chunk: 16_384 })).toEqual({ b64_json: bytes.toString('hex') });
  });

  test('knows the first picture once it is whole, though the body breaks off', async () => {
    for (const [text, first] of [
      ['{"data":[{"b64_json":"AQID","', '010203'],
      ['{"data":[{"b64_json":"AQID"},{"b64_json":"BA', '010203'],
      ['{"data":[{"b64_json":"AQID', undefined],
      ['{"data":[', undefined],
    ] as const) {
      const inline = decode(text);
      await textOf(inline);
      expect(inline.first()?.toString('hex')).toBe(first);
    }
  });

  test('a stream that fails raises the same error', async () => {
    const body = new ReadableStream({
      start(controller) {
        controller.enqueue(new Uint8Array(Buffer.from('{"b64_json":"AQ')));
      },
      pull: (controller) => controller.error(new Error('reset')),
    });
    await expect(textOf(decodeInlinePictures(body, new Headers()))).rejects.toThrow('reset');
  });
});
