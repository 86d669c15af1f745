import { crc32 } from 'node:zlib';
import sharp from 'sharp';
import { describe, expect, it } from 'vitest';
import { readContainer } from '../../../src/adapters/imaging/container.ts';

const canvas = () => sharp({ create: { width: 20, height: 10, channels: 3, background: '#8040c0' } });
const files = {
  png: await canvas().png().toBuffer(),
  jpeg: await canvas().jpeg().toBuffer(),
  webp: await canvas().webp().toBuffer(),
  avif: await canvas().avif({ effort: 0 }).toBuffer(),
  gif: await canvas().gif().toBuffer(),
  tiff: await canvas().tiff().toBuffer(),
};

describe('readContainer', () => {
  it.each(Object.entries(files))('detects a still %s by its magic bytes', (format, bytes) => {
    expect(readContainer(bytes)).toEqual({ format, animated: false, flaw: null });
  });

  it.each(['png', 'jpeg', 'webp'] as const)('reports bytes that follow the end of a %s', (format) => {
    expect(readContainer(Buffer.concat([files[format], Buffer.from('more')])).flaw).toBe('bytes follow its end');
  });

  it('reports a wrong checksum that decoders ignore', () => {
    const titled = insertChunk(files.png, 'tEXt', Buffer.from('Title\0a lighthouse'));
    expect(readContainer(titled).flaw).toBeNull();
    titled[titled.indexOf('lighthouse')] = 0x4c;
    expect(readContainer(titled).flaw).toContain('checksum');
  });

  it('does not compute the checksums of millions of chunks', () => {
    const chunk = Buffer.from('000000007445587400000000', 'hex');
    const many = Buffer.concat([
      files.png.subarray(0, 33),
      Buffer.alloc(12 * 2_000_000, chunk),
      files.png.subarray(33),
    ]);
    const began = process.threadCpuUsage();
    expect(readContainer(many).flaw).not.toBeNull();
    const { user, system } = process.threadCpuUsage(began);
    expect((user + system) / 1000).toBeLessThan(1000);
  });

  it.each([
    ['an empty file', Buffer.alloc(0), 'the file is empty'],
    ['a web page', Buffer.from('<!doctype html><html></html>'), '3c21646f63747970'],
    ['an SVG drawing', Buffer.from('<svg xmlns="http://www.w3.org/2000/svg"/>'), '3c73766720786d6c'],
    ['a WAV file', Buffer.from('RIFF\x24\0\0\0WAVEfmt ', 'latin1'), '5249464624000000'],
    ['a HEIC file', Buffer.from('\0\0\0\x18ftypheic\0\0\0\0mif1heic', 'latin1'), '0000001866747970'],
  ])('refuses %s', (_name, bytes, reason) => {
    expect(() => readContainer(bytes)).toThrow(expect.objectContaining({ code: 'invalid_image' }));
    expect(() => readContainer(bytes)).toThrow(reason);
  });

  it('does not mistake an IEND inside another chunk, or half of one, for the end of a png', () => {
    const hidden = insertChunk(files.png, 'tEXt', Buffer.concat([Buffer.from('x\0'), files.png.subarray(-12)]));
    for (let length = hidden.length - 1; length >= 8; length -= 1) {
      expect(readContainer(hidden.subarray(0, length)).flaw).not.toBeNull();
    }
    expect(readContainer(hidden).flaw).toBeNull();
  });

  it.each([
    ['jpeg', files.jpeg.subarray(0, -1)],
    ['webp', files.webp.subarray(0, -1)],
    ['webp that ends after its RIFF header', files.webp.subarray(0, 12)],
    ['gif', files.gif.subarray(0, -1)],
  ])('reports that the end of a %s is missing', (_name, bytes) => {
    expect(readContainer(bytes).flaw).toMatch(/missing|promises|trailer/);
  });

  it.each([
    [1, false],
    [2, true],
  ])('counts the frames of a png by its acTL chunk (%i)', (frames, animated) => {
    const control = Buffer.alloc(8);
    control.writeUInt32BE(frames);
    expect(readContainer(insertChunk(files.png, 'acTL', control)).animated).toBe(animated);
  });

  it('detects an AVIF sequence by its brand', () => {
    const sequence = Buffer.from(files.avif);
    sequence.write('avis', 8, 'latin1');
    expect(readContainer(sequence)).toEqual({ format: 'avif', animated: true, flaw: null });
  });
});

/** The png with a chunk inserted after its header. */
function insertChunk(png: Buffer, type: string, data: Buffer): Buffer {
  const body = Buffer.concat([Buffer.from(type, 'latin1'), data]);
  const [length, sum] = [Buffer.alloc(4), Buffer.alloc(4)];
  length.writeUInt32BE(data.length);
  sum.writeUInt32BE(crc32(body));
  return Buffer.concat([png.subarray(0, 33), length, body, sum, png.subarray(33)]);
}
