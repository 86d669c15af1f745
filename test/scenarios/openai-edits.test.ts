import { createReadStream } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import OpenAI, { toFile } from 'openai';
import OpenAI6 from 'openai-6';
import { describe, expect, test } from 'vitest';
import { openAiStreamEvent } from '../../src/api/openai/answers.ts';
import { type Easel, startEasel } from '../support/app/easel.ts';
import { picture } from '../support/openai/answers.ts';
import { texturedPicture } from '../support/pictures.ts';
import { temporaryFolder } from '../support/temporary-folder.ts';
import { until } from '../support/until.ts';

const SIZE = '1024x640';
const source = await texturedPicture({ width: 1024, height: 640 });

const EDIT = { model: 'gpt-image-2', prompt: 'the same at night', size: SIZE } as const;

const startClient = (easel: Easel, Client: typeof OpenAI = OpenAI) =>
  new Client({ baseURL: `${easel.url}/v1`, apiKey: 'none' });

describe('an edit by the official SDK', () => {
  test.each([
    ['openai 7', OpenAI],
    ['openai 6', OpenAI6 as unknown as typeof OpenAI],
  ] as const)('%s gets the picture, and by stream its partial ones before', async (_name, Client) => {
    await using easel = await startEasel({ skipMs: 0 });
    const client = startClient(easel, Client);
    const image = await toFile(source, 'lighthouse.png', { type: 'image/png' });

    const { data } = await client.images.edit({ ...EDIT, image });
    expect(data?.[0]?.b64_json?.length).toBeGreaterThan(1_000);

    const types: string[] = [];
    for await (const event of await client.images.edit({ ...EDIT, image, stream: true, partial_images: 1 })) {
      types.push(openAiStreamEvent.parse(event).type);
    }
    expect(types).toEqual(['image_edit.partial_image', 'image_edit.completed']);
  });

  test('that comes from memory is sent away and comes back; it is the same call, and paid once', async () => {
    await using easel = await startEasel({ skipMs: 0, env: { OPENAI_WAIT_SECONDS: '10' } });
    const gate = easel.upstream.gate();
    easel.upstream.always(picture({ beforeHeaders: gate }));
    const image = await toFile(source, 'lighthouse.png', { type: 'image/png' });
    const edit = startClient(easel).images.edit({ ...EDIT, image });
    await easel.upstream.received(1);
    await until(() => easel.clock.sleepers > 0);
    easel.clock.advance(10_000);
    await until(() => easel.log.some((line) => line.includes('"status":503')));
    gate.open();
    expect((await edit).data).toHaveLength(1);
    expect(easel.upstream.calls).toHaveLength(1);
  });

  test('that the SDK streams from a file cannot be sent twice, and is waited for', async () => {
    await using easel = await startEasel({ skipMs: 0, env: { OPENAI_WAIT_SECONDS: '10' } });
    await using folder = await temporaryFolder();
    const path = join(folder.path, 'lighthouse.png');
    await writeFile(path, source);
    const gate = easel.upstream.gate();
    easel.upstream.always(picture({ beforeHeaders: gate }));
    const edit = startClient(easel).images.edit({ ...EDIT, image: createReadStream(path) });
    await easel.upstream.received(1);
    await until(() => easel.clock.sleepers > 0);
    easel.clock.advance(100_000);
    gate.open();
    expect((await edit).data).toHaveLength(1);
    expect(easel.log.filter((line) => line.includes('"status":503'))).toEqual([]);
    expect(easel.upstream.calls).toHaveLength(1);
  });
});
