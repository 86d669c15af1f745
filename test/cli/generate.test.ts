/** `easel generate` pays for its own picture alone, and for that once. */

import { fileURLToPath } from 'node:url';
import { expect, it } from 'vitest';
import { startProcess } from '../support/app/process.ts';
import { brokenAnswer, picture } from '../support/openai/answers.ts';
import { type OpenAiServer, startOpenAiServer } from '../support/openai/server.ts';
import { temporaryFolder } from '../support/temporary-folder.ts';
import { until } from '../support/until.ts';
import { readDatabase } from '../torture/audit.ts';
import { post, startLife } from '../torture/life.ts';

const EASEL = fileURLToPath(new URL('../../src/cli/easel.ts', import.meta.url));

function generate(folder: string, upstream: OpenAiServer, ...args: readonly string[]) {
  return startProcess({
    folder,
    command: [process.execPath, EASEL, 'generate', ...args],
    env: {
      OPENAI_API_KEY: upstream.key ?? 'none',
      OPENAI_BASE_URL: upstream.baseUrl,
      IMAGE_MODEL: 'small',
      IMAGE_SIZE: '128x128',
      IMAGE_RENDITIONS: '64x64.webp,32x32.png',
      AMBIGUOUS_RETRIES: '0',
    },
  });
}

const imagesIn = (folder: string) =>
  new Map(readDatabase(folder).images.map((image) => [image.mediaId, image.status] as const));

it('takes up no work that a service has left, unless it is asked for that very picture', async () => {
  await using folder = await temporaryFolder();
  await using upstream = await startOpenAiServer();
  {
    await using service = await startLife({ folder: folder.path, upstream, env: { CONCURRENCY: '1' } });
    const gate = upstream.gate();
    upstream.script({ ...brokenAnswer('empty data'), delivery: { beforeHeaders: gate } });
    for (const mediaId of ['called', 'left', 'wanted'])
      await post(service.url, { mediaId, prompt: mediaId }, { prefer: 'respond-async' });
    await gate.reached();
    service.child.kill('SIGTERM');
    await until(() => Promise.resolve(service.stdout().includes('waiting for 1 paid call')));
    gate.open();
    expect(await service.exited).toBe(0);
  }
  for (const mediaId of ['own', 'wanted']) {
    await using run = generate(folder.path, upstream, mediaId, '--media-id', mediaId);
    expect(await run.exited, run.stderr()).toBe(0);
  }
  expect(imagesIn(folder.path).get('left')).toBe('queued');
  expect(upstream.calls.map(({ body }) => body.prompt)).toEqual(['called', 'own', 'wanted']);
});

it('waits for its paid call after Ctrl-C, says so, and keeps the picture', async () => {
  await using folder = await temporaryFolder();
  await using upstream = await startOpenAiServer();
  upstream.strict = false;
  const gate = upstream.gate();
  upstream.script(picture({ beforeHeaders: gate }));
  await using run = generate(folder.path, upstream, 'x', '--media-id', 'x');
  await gate.reached();
  run.child.kill('SIGINT');
  await until(() => Promise.resolve(run.stderr().includes('waiting for a paid call to end')));
  gate.open();
  expect(await run.exited).toBe(130);
  expect(readDatabase(folder.path).images).toMatchObject([{ attempts: [{ outcome: 'ok' }] }]);

  await using again = generate(folder.path, upstream, 'x', '--media-id', 'x');
  expect(await again.exited).toBe(0);
  expect(upstream.calls).toHaveLength(1);
});

it('says of an earlier failure that nothing was called, and what runs it again', async () => {
  await using folder = await temporaryFolder();
  await using upstream = await startOpenAiServer();
  upstream.strict = false;
  upstream.always(brokenAnswer('empty data'));
  await using run = generate(folder.path, upstream, 'x', '--media-id', 'x');
  expect(await run.exited).toBe(1);
  expect(run.stderr()).not.toMatch(/nothing was called/);

  await using again = generate(folder.path, upstream, 'x', '--media-id', 'x');
  expect(await again.exited).toBe(1);
  expect(again.stderr()).toMatch(/nothing was called now.*POST \/images\/x\/retry/);
  expect(upstream.calls).toHaveLength(1);
});
