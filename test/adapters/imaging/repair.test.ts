import sharp, { type Sharp } from 'sharp';
import { beforeAll, describe, expect, it } from 'vitest';
import { createImaging } from '../../../src/adapters/imaging/finish.ts';
import { isSoundChunk, makePngChunk, pngChunks } from '../../../src/adapters/imaging/png-chunks.ts';
import { configureSharp } from '../../../src/adapters/imaging/sharp.ts';
import { finishSpec, OPTIONS, stripes } from './drawings.ts';

const imaging = createImaging(OPTIONS);
const WIDTH = 160;
const HEIGHT = 100;
const draw = (): Sharp => stripes(WIDTH, HEIGHT);

beforeAll(configureSharp);

const jpeg = await draw().jpeg().toBuffer();
const progressive = await draw().jpeg({ progressive: true }).toBuffer();
const png = await draw().png().toBuffer();
const interlaced = await draw().png({ progressive: true }).toBuffer();
const webp = await draw().webp().toBuffer();
const gif = await draw().gif().toBuffer();
const tiff = await draw().tiff({ compression: 'lzw' }).toBuffer();
const cmyk = await draw().toColourspace('cmyk').jpeg().toBuffer();

const hex = (digits: string) => Buffer.from(digits, 'hex');
const after = (marker: string, bytes: Buffer, what: Buffer) => {
  const at = bytes.indexOf(hex(marker));
  return Buffer.concat([bytes.subarray(0, at), what, bytes.subarray(at)]);
};
const patched = (bytes: Buffer, at: number, ...values: number[]) => {
  const copy = Buffer.from(bytes);
  copy.set(values, at);
  return copy;
};
/** Position of the last three bytes of the first scan header. */
const scanParameters = (bytes: Buffer) => {
  const at = bytes.indexOf(hex('ffda'));
  return at + 2 + bytes.readUInt16BE(at + 2) - 3;
};
const JFIF = hex('ffe000104a46494600090100000100010000');
const ADOBE = hex('ffee000e41646f626500640000000005');
const BROKEN_ICC = Buffer.from('\xff\xe2\0\x14ICC_PROFILE\0\x02\x03abcd', 'latin1');

/** What is odd, the file, and the same picture without the oddity. */
const REPAIRED: readonly (readonly [string, Buffer, Buffer])[] = [
  ['gif with bytes behind its trailer', Buffer.concat([gif, hex('00112233')]), gif],
  ['gif without its trailer', gif.subarray(0, -1), gif],
  ['jpeg without its end mark', jpeg.subarray(0, -2), jpeg],
  ['jpeg with zeros for its end mark', Buffer.concat([jpeg.subarray(0, -2), hex('00000000')]), jpeg],
  ['progressive jpeg without its end mark', progressive.subarray(0, -2), progressive],
  ['jpeg with bytes behind its end', Buffer.concat([jpeg, hex('0011')]), jpeg],
  ['jpeg with bytes between its segments', after('ffc0', jpeg, hex('112233')), jpeg],
  ['jpeg with such bytes twice and no end mark', after('ffc0', after('ffc0', jpeg, hex('112233')), hex('00')), jpeg],
  ['jpeg with fill bytes and no end mark', after('ffc0', jpeg, hex('ffffff')).subarray(0, -2), jpeg],
  ['progressive jpeg with bytes between its scans', after('ffc4', progressive, hex('0000')), progressive],
  [
    'progressive jpeg with bytes after its last scan',
    Buffer.concat([progressive.subarray(0, -2), hex(`${'55'.repeat(20)}ffd9`)]),
    progressive,
  ],
  ['jpeg of an unknown JFIF version', Buffer.concat([jpeg.subarray(0, 2), JFIF, jpeg.subarray(2), hex('00')]), jpeg],
  [
    "jpeg with an unknown transform in Adobe's segment",
    Buffer.concat([jpeg.subarray(0, 2), ADOBE, jpeg.subarray(2)]),
    jpeg,
  ],
  ['jpeg with scan parameters that it cannot have', patched(jpeg, scanParameters(jpeg), 0, 63, 0x11), jpeg],
  ['CMYK jpeg without its end mark', cmyk.subarray(0, -2), cmyk],
  ['png without IEND', png.subarray(0, -12), png],
  ['png cut within IEND', png.subarray(0, -5), png],
  ['png cut within the checksum of its last pixels', png.subarray(0, -14), png],
  ['interlaced png without IEND', interlaced.subarray(0, -12), interlaced],
  ['png with a wrong checksum around its pixels', patched(png, png.length - 14, 1, 2), png],
  ['png with bytes behind its end', Buffer.concat([png, hex('00')]), png],
  ['webp that promises too many bytes', patched(webp, 4, (webp[4] ?? 0) + 2), webp],
  ['webp that promises too few bytes', patched(webp, 4, (webp[4] ?? 0) - 2), webp],
  ['webp with bytes behind its end', Buffer.concat([webp, hex('001122334455667788')]), webp],
  ['tiff with unsorted tags', tiffWith(296, 60_001), tiff],
  ['tiff with a tag of the wrong type', tiffWith(296, 296, 2), tiff],
  ['tiff whose next page is nowhere', tiffWithNext(0x12345678), tiff],
];

describe('a picture whose pixels are all there', () => {
  it.each(REPAIRED)('becomes sound files with a warning: %s', async (_name, odd, sound) => {
    const format = (await sharp(sound).metadata()).format;
    const masterFormat = format === 'jpeg' || format === 'webp' ? format : 'png';
    const spec = finishSpec({ width: WIDTH, height: HEIGHT, format: masterFormat }, [
      { width: 80, height: 50, format: 'png' },
    ]);
    const { master, renditions, warnings } = await imaging.finish(odd, spec);
    expect(warnings).toEqual([
      { code: 'repaired', detail: expect.stringContaining(`the ${format} picture came with a flaw (`) },
    ]);
    // The master is encoded anew, so that every reader takes it, and shows what the sound file shows.
    expect(master.bytes).not.toBeNull();
    await sharp(master.bytes ?? undefined, { failOn: 'warning' })
      .raw()
      .toBuffer();
    const expected = await imaging.finish(sound, spec);
    expect(expected.warnings).toEqual([]);
    expect(renditions[0]?.bytes).toEqual(expected.renditions[0]?.bytes);
  });

  it('says what was wrong', async () => {
    const details = async (bytes: Buffer) =>
      (await imaging.finish(bytes, finishSpec({ width: WIDTH, height: HEIGHT, format: 'png' }))).warnings[0]?.detail;
    expect(await details(png.subarray(0, -12))).toBe(
      'the png picture came with a flaw (its IEND chunk is missing), but all of it could be read; no file is a copy of it',
    );
    expect(await details(after('ffc0', jpeg, hex('112233')))).toContain('3 extraneous bytes before marker 0xc0');
  });

  it('is not changed by a broken profile in a jpeg, which decoders ignore', async () => {
    const odd = Buffer.concat([jpeg.subarray(0, 2), BROKEN_ICC, jpeg.subarray(2)]);
    const { warnings } = await imaging.finish(odd, finishSpec({ width: WIDTH, height: HEIGHT, format: 'jpeg' }));
    expect(warnings).toEqual([]);
  });
});

const half = (bytes: Buffer) => bytes.subarray(0, Math.floor(bytes.length / 2));
const scans = (bytes: Buffer) => {
  const found: number[] = [];
  for (let at = bytes.indexOf(hex('ffda')); at !== -1; at = bytes.indexOf(hex('ffda'), at + 2)) found.push(at);
  return found;
};
const lastScan = scans(progressive).at(-1) ?? 0;

/** Files of which pixels are missing, made to look whole. */
const HALVES: readonly (readonly [string, Buffer])[] = [
  ['jpeg', half(jpeg)],
  ['jpeg with an end mark', Buffer.concat([half(jpeg), hex('ffd9')])],
  [
    'jpeg with an end mark and bytes between its segments',
    after('ffc4', Buffer.concat([half(jpeg), hex('ffd9')]), hex('11')),
  ],
  ['jpeg that ends before its pixels', Buffer.concat([jpeg.subarray(0, jpeg.indexOf(hex('ffda'))), hex('ffd9')])],
  ['progressive jpeg without its last scan', progressive.subarray(0, lastScan)],
  [
    'progressive jpeg without its last scan, with bytes between its segments',
    after('ffc4', Buffer.concat([progressive.subarray(0, lastScan), hex('0000')]), hex('11')),
  ],
  ['jpeg with broken codes', patched(jpeg, Math.floor(jpeg.length / 2), 0xfe, 0xfd, 0xfb, 0xf7, 0xef)],
  ['gif with a trailer', Buffer.concat([half(gif), hex('003b')])],
  ['png with IEND', Buffer.concat([half(png), makePngChunk('IEND', Buffer.alloc(0))])],
  ['png whose pixels end early, in sound chunks', pngWithout(20)],
  ['interlaced png', half(interlaced)],
  ['webp with a length that fits', patched(half(webp), 4, ...lengthOf(half(webp).length - 8))],
  ['webp with lengths that fit', webpCut(40)],
  ['tiff', Buffer.concat([patched(tiff, 4, ...lengthOf(tiff.length)).subarray(0, 4), tiff.subarray(4, 9)])],
  ['tiff with broken strips', patched(tiff, 1000, 0xff, 0xff, 0x55, 0xaa, 0xff, 0xff)],
];

describe('half a picture', () => {
  it.each(HALVES)('is refused: %s', async (_name, bytes) => {
    const spec = finishSpec({ width: WIDTH, height: HEIGHT, format: 'png' });
    await expect(imaging.finish(bytes, spec)).rejects.toMatchObject({
      code: 'invalid_image',
      message: expect.stringMatching(/^the picture is broken: /),
    });
  });
});

function lengthOf(length: number): number[] {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32LE(length);
  return [...bytes];
}

/** The TIFF with another number, and perhaps type, for one of its tags. */
function tiffWith(tag: number, changed: number, type?: number): Buffer {
  const copy = Buffer.from(tiff);
  const directory = copy.readUInt32LE(4);
  for (let entry = 0; entry < copy.readUInt16LE(directory); entry += 1) {
    const at = directory + 2 + 12 * entry;
    if (copy.readUInt16LE(at) !== tag) continue;
    copy.writeUInt16LE(changed, at);
    if (type !== undefined) copy.writeUInt16LE(type, at + 2);
  }
  return copy;
}

function tiffWithNext(next: number): Buffer {
  const copy = Buffer.from(tiff);
  const directory = copy.readUInt32LE(4);
  copy.writeUInt32LE(next, directory + 2 + 12 * copy.readUInt16LE(directory));
  return copy;
}

/** The PNG without the last bytes of its pixels, with right checksums around them. */
function pngWithout(bytes: number): Buffer {
  const parts: Buffer[] = [png.subarray(0, 8)];
  const chunks = [...pngChunks(png)];
  const last = chunks.findLast(({ type }) => type === 'IDAT');
  for (const chunk of chunks) {
    expect(isSoundChunk(png, chunk)).toBe(true);
    parts.push(makePngChunk(chunk.type, chunk === last ? chunk.data.subarray(0, -bytes) : chunk.data));
  }
  return Buffer.concat(parts);
}

/** The WebP without its last bytes, in its headers too. */
function webpCut(bytes: number): Buffer {
  const cut = Buffer.from(webp.subarray(0, (webp.length - bytes) & ~1));
  cut.writeUInt32LE(cut.length - 8, 4);
  cut.writeUInt32LE(cut.length - 20, 16);
  return cut;
}
