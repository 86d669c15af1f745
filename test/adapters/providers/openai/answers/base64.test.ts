import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { createBase64Decoder, decodeBase64 } from '../../../../../src/adapters/providers/openai/answers/base64.ts';

function decode(parts: readonly string[], expectedBytes?: number): Buffer | null {
  const decoder = createBase64Decoder(expectedBytes);
  for (const part of parts) decoder.push(part);
  return decoder.end();
}

/** The text split at these places. */
function cut(text: string, places: readonly number[]): string[] {
  const ends = [...places.map((place) => place % (text.length + 1)), text.length].sort((one, other) => one - other);
  return ends.map((end, index) => text.slice(index === 0 ? 0 : ends[index - 1], end));
}

const places = fc.array(fc.nat(), { maxLength: 8 });

describe('base64 that arrives in parts', () => {
  const writers: [string, (bytes: Buffer) => string][] = [
    ['as plain base64', (bytes) => bytes.toString('base64')],
    ['without padding', (bytes) => bytes.toString('base64').replaceAll('=', '')],
    ['in the URL alphabet', (bytes) => bytes.toString('base64url')],
    ['in lines', (bytes) => bytes.toString('base64').replaceAll(/.{5}/g, '$&\\r\\n')],
    ['with spaces at both ends', (bytes) => ` ${bytes.toString('base64')} `],
    ['with escaped slashes', (bytes) => bytes.toString('base64').replaceAll('/', '\\/')],
    ['in escapes', (bytes) => bytes.toString('base64').replaceAll(/[+/=]/g, escaped)],
    ['in escapes throughout', (bytes) => bytes.toString('base64').replaceAll(/./g, escaped)],
    ['as a data URL', (bytes) => `data:image/png;base64,${bytes.toString('base64')}`],
    ['as an escaped data URL', (bytes) => `data:image\\/png;base64,${bytes.toString('base64')}`],
  ];

  test.each(writers)('%s gives its bytes, wherever it is split', (_how, write) => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 80 }), places, fc.nat(100), (bytes, cuts, expectedBytes) => {
        const written = Buffer.from(bytes);
        expect(decode(cut(write(written), cuts), expectedBytes)).toEqual(written);
      }),
    );
  });

  test('grows beyond the expected size', () => {
    const bytes = Buffer.alloc(1_000_000, 'easel');
    expect(decode(cut(bytes.toString('base64'), [1, 70_001, 800_000]), 10)?.equals(bytes)).toBe(true);
  });

  test.each([
    ['a percent sign', 'AAAA%AAA'],
    ['a percent sign at the end', 'AAAAA%'],
    ['text', 'this is not base64!'],
    ['a single digit', 'A'],
    ['a group of one digit', 'AAAAA'],
    ['padding in the middle', 'AA==AAAA'],
    ['padding between digits', 'AA=A'],
    ['three paddings', 'AAAA==='],
    ['an invalid escape', 'AA\\AA'],
    ['half an escape at the end', 'AAAA\\'],
    ['half a unicode escape at the end', 'AAAA\\u00'],
    ['an escaped backslash', 'AAA\\\\AAAA'],
    ['a bare line break', 'AAAA\nAAAA'],
    ['a letter whose low byte is a digit', 'A\\u0141AA'],
    ['a letter beyond ASCII', 'AAAéAAA'],
    ['a data URL without its comma', 'data:AAAA'],
    ['the beginning of a data URL', 'data:'],
    ['a data URL with a very long head', `data:${'a'.repeat(2000)},AAAA`],
  ])('%s is invalid, wherever it is split', (_what, text) => {
    fc.assert(fc.property(places, (cuts) => decode(cut(text, cuts)) === null));
    expect(decode([...text])).toBeNull();
  });

  test.each([
    ['nothing', ''],
    ['white space', ' \\n '],
    ['the head of a data URL', 'data:image/png;base64,'],
  ])('%s gives no bytes', (_what, text) => {
    expect(decode([...text])).toEqual(Buffer.alloc(0));
  });

  test('text that only begins like a data URL is decoded as digits', () => {
    expect(decode([...'data'])).toEqual(Buffer.from('data', 'base64'));
    expect(decode([...'dat'])).toEqual(Buffer.from('dat', 'base64'));
  });
});

test("a complete text is decoded, however long, with line breaks and a data URL's head", () => {
  const bytes = Buffer.from(Array.from({ length: 300_001 }, (_, at) => (at * 7919) % 251));
  const lines = bytes.toString('base64').replaceAll(/.{76}/g, '$&\r\n');
  expect(decodeBase64(`data:image/png;base64,${lines}`)?.equals(bytes)).toBe(true);
  expect(decodeBase64(`${lines}%`)).toBeNull();
  expect(decodeBase64('')).toEqual(Buffer.alloc(0));
});

function escaped(character: string): string {
  return `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`;
}
