import { describe, expect, it } from 'vitest';
import {
  type RecognisedBody,
  recogniseBody,
} from '../../../../../src/adapters/providers/openai/answers/answer-kind.ts';

const bytesOf = (text: string) => Buffer.from(text, 'latin1');

/** A body that arrives in chunks of so many bytes. */
function bodyOf(bytes: Buffer, chunk: number): ReadableStream<Uint8Array> {
  let at = 0;
  return new ReadableStream({
    pull(controller) {
      if (at >= bytes.length) return controller.close();
      controller.enqueue(new Uint8Array(bytes.subarray(at, at + chunk)));
      at += chunk;
    },
  });
}

const PNG = '\x89PNG\r\n\x1a\n\0\0\0\rIHDR and so on';
const BOM = '\xef\xbb\xbf';

describe('recogniseBody', () => {
  it.each([
    ['an object', '{"data":[]}', 'json', '{"data":[]}'],
    ['a short object', '{}', 'json', '{}'],
    ['a list', ' [1]', 'json', '[1]'],
    ['white space before JSON', ' \r\n\t {"a":1} ', 'json', '{"a":1} '],
    ['a byte order mark before JSON', `${BOM}\n{"a":1}`, 'json', '{"a":1}'],
    ['a png', PNG, 'picture', PNG],
    ['a jpeg', '\xff\xd8\xff\xe0\0\x10JFIF\0 etc', 'picture', '\xff\xd8\xff\xe0\0\x10JFIF\0 etc'],
    ['a gif', 'GIF89a and so on', 'picture', 'GIF89a and so on'],
    ['a webp', 'RIFF\n\n\n\nWEBPVP8 ', 'picture', 'RIFF\n\n\n\nWEBPVP8 '],
    ['an avif', '\0\0\0\x1cftypavif', 'picture', '\0\0\0\x1cftypavif'],
    ['a tiff', 'II*\0 and so on', 'picture', 'II*\0 and so on'],
    ['another RIFF file', 'RIFF\n\n\n\nWAVEfmt ', 'other', 'RIFF\n\n\n\nWAVEfmt '],
    ['a named event', 'event: x\ndata: {}\n\n', 'events', 'event: x\ndata: {}\n\n'],
    ['an event with no more than data', '\n\ndata:{}\n\n', 'events', 'data:{}\n\n'],
    ['a comment', `${BOM}: hello\n\n`, 'events', ': hello\n\n'],
    ['a field like none of an event', 'database: x, y, z', 'other', 'database: x, y, z'],
    ['a page', '<!doctype html><p>', 'other', '<!doctype html><p>'],
    ['a word', 'OK', 'other', 'OK'],
    ['null', 'null', 'other', 'null'],
    ['nothing', '', 'other', ''],
    ['white space alone', ' \n \n ', 'other', ''],
  ])('%s, however it is split', async (_, text, kind, rest) => {
    for (const chunk of [1, 2, 3, 5, 11, 12, 13, 1000]) {
      const recognised = await recogniseBody(bodyOf(bytesOf(text), chunk), null);
      expect(recognised.kind).toBe(kind);
      expect(Buffer.concat(await Array.fromAsync(recognised.body)).toString('latin1')).toBe(rest);
    }
  });

  it('follows the content type of an event stream only where the bytes say nothing else', async () => {
    for (const type of ['text/event-stream', 'Text/Event-Stream; charset=utf-8']) {
      const kindOf = async (text: string) => (await recogniseBody(bodyOf(bytesOf(text), 7), type)).kind;
      expect(await kindOf('foo: bar\ndata: {}\n\n')).toBe('events');
      expect(await kindOf('{"data":[]}')).toBe('json');
      expect(await kindOf(PNG)).toBe('picture');
    }
  });

  it('decides as soon as it can, and does not wait for the rest', async () => {
    const { kind, end } = await recogniseBody(
      new ReadableStream({ start: (controller) => controller.enqueue(new Uint8Array(bytesOf('{'))) }),
      null,
    );
    expect(kind).toBe('json');
    await end();
  });

  it.each<[string, (recognised: RecognisedBody) => Promise<unknown>]>([
    ['is not to be read', ({ end }) => end()],
    [
      'is left in its middle',
      async ({ body }) => {
        for await (const _ of body) break;
      },
    ],
  ])('ends the source when its body %s', async (_, stop) => {
    let ended = false;
    const source = new ReadableStream<Uint8Array>({
      start: (controller) => controller.enqueue(new Uint8Array(bytesOf('<html><body>'))),
      cancel: () => {
        ended = true;
      },
    });
    await stop(await recogniseBody(source, null));
    expect(ended).toBe(true);
  });

  it('fails with its source', async () => {
    const broken = new ReadableStream<Uint8Array>({ start: (controller) => controller.error(new Error('reset')) });
    await expect(recogniseBody(broken, null)).rejects.toThrow('reset');
  });
});
