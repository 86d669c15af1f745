import sharp from 'sharp';
import { describe, expect, it } from 'vitest';
import { makePngChunk } from '../../src/adapters/imaging/png-chunks.ts';
import { publishedFiles, startEasel } from '../support/app/easel.ts';
import { picture } from '../support/openai/answers.ts';
import { texturedPicture } from '../support/pictures.ts';

describe('a picture that only other readers call broken', () => {
  it.each([
    ['jpeg', 2],
    ['png', 12],
  ] as const)('is published with a warning: %s without its end', async (format, bytesOfEnd) => {
    await using easel = await startEasel();
    easel.upstream.script(
      picture({
        content: async ({ width, height }) =>
          (await texturedPicture({ width, height, format })).subarray(0, -bytesOfEnd),
      }),
    );
    const { status, body } = await easel.post({ mediaId: 'x', prompt: 'a lighthouse', format });
    expect([status, body.status, easel.upstream.calls.length]).toEqual([201, 'succeeded', 1]);
    expect(body.warnings.map(({ code }) => code)).toEqual(['repaired']);
    const bytes = Buffer.from(await (await easel.get(body.url ?? '')).arrayBuffer());
    await sharp(bytes, { failOn: 'warning' }).stats();
    const end = format === 'jpeg' ? 'ffd9' : '0000000049454e44ae426082';
    expect(bytes.subarray(-bytesOfEnd).toString('hex')).toBe(end);
  });
});

describe('a png whose chunks name its colours', () => {
  it('is published in sRGB, renditions too', async () => {
    await using easel = await startEasel();
    const gamma = makePngChunk('gAMA', Buffer.from('000186a0', 'hex'));
    easel.upstream.script(
      picture({
        // Left half grey 128 in linear light, so that the picture passes its checks.
        content: async ({ width, height }) => {
          const grey = {
            create: { width: Math.floor(width / 2), height, channels: 3, background: '#808080' },
          } as const;
          const photo = await texturedPicture({ width, height });
          const png = await sharp(photo)
            .composite([{ input: grey, left: 0, top: 0 }])
            .png()
            .toBuffer();
          return Buffer.concat([png.subarray(0, 33), gamma, png.subarray(33)]);
        },
      }),
    );
    const renditions = ['320x200.avif', '320x200.webp'];
    const { status, body } = await easel.post({ mediaId: 'x', prompt: 'a lighthouse', renditions });
    expect([status, body.warnings]).toEqual([201, []]);
    for (const { url } of publishedFiles(await easel.made('x'))) {
      const bytes = Buffer.from(await (await easel.get(url ?? '')).arrayBuffer());
      const { data } = await sharp(bytes)
        .extract({ left: 20, top: 20, width: 1, height: 1 })
        .raw()
        .toBuffer({ resolveWithObject: true });
      expect(Math.abs((data[0] ?? 0) - 188)).toBeLessThanOrEqual(3);
    }
  });
});
