import { readFileSync } from 'node:fs';
import { setTimeout as delay } from 'node:timers/promises';
import sharp from 'sharp';
import { expect, it } from 'vitest';
import { picture } from '../support/openai/answers.ts';
import { startOpenAiServer } from '../support/openai/server.ts';
import { texturedPicture } from '../support/pictures.ts';
import { temporaryFolder } from '../support/temporary-folder.ts';
import { until } from '../support/until.ts';
import { post, startLife } from '../torture/life.ts';

/** Takes some 100 ms to decode, so that the stop comes in the middle of it. */
const SIDE = 3000;

it.skipIf(process.platform !== 'linux')(
  'a process that is suspended while it decodes, for longer than it may decode, makes the picture with one call',
  async () => {
    const small = await texturedPicture({ width: 512, height: 512, format: 'png', seed: 'a lighthouse' });
    const large = await sharp(small).resize(SIDE, SIDE).png({ progressive: true, compressionLevel: 1 }).toBuffer();
    await using folder = await temporaryFolder();
    await using upstream = await startOpenAiServer();
    upstream.script(picture({ content: async () => large }));
    await using service = await startLife({
      folder: folder.path,
      upstream,
      preload: new URL('../support/suspended-decode.ts', import.meta.url),
      env: { SUSPENDED_BYTES: String(large.byteLength) },
    });
    const made = post(service.url, { mediaId: 'x', prompt: 'x' });
    await until(async () => service.stdout().includes('suspended'));
    // State T: stopped.
    await until(async () => /\) T /.test(readFileSync(`/proc/${service.child.pid}/stat`, 'latin1')));
    await delay(3000);
    service.child.kill('SIGCONT');
    const { status, body } = await made;
    expect([status, body.status]).toEqual([201, 'succeeded']);
    expect(body.attempts).toMatchObject([{ outcome: 'ok' }]);
    expect(upstream.calls).toHaveLength(1);
  },
);
