/** The memory for pictures that requests bring, in a whole service. */

import { expect, it } from 'vitest';
import { ANONYMOUS } from '../../src/core/domain/request.ts';
import { type Easel, startEasel } from '../support/app/easel.ts';
import { part, refusal } from '../support/app/inputs.ts';
import { hang, picture } from '../support/openai/answers.ts';
import { startOpenAiServer } from '../support/openai/server.ts';
import { texturedPicture } from '../support/pictures.ts';
import { temporaryFolder } from '../support/temporary-folder.ts';
import { until } from '../support/until.ts';

const MIB = 1024 * 1024;
const env = { INPUT_MEMORY_BYTES: String(MIB), IMAGE_RENDITIONS: '', IMAGE_SIZE: '1024x640' };

/** A picture of so many bytes. Bytes after a picture's end are sent as they came. */
async function pictureOf(bytes: number, seed: string): Promise<Buffer> {
  const start = await texturedPicture({ width: 96, height: 64, seed });
  return Buffer.concat([start, Buffer.alloc(bytes - start.length)]);
}

const submitEdit = async (easel: Easel, mediaId: string, bytes = 0.6 * MIB) =>
  await easel.services.images.submit(
    { mediaId, prompt: mediaId, inputs: [part(await pictureOf(Math.floor(bytes), mediaId))] },
    ANONYMOUS,
    null,
  );

/** Whether so many jobs run. */
const isRunning = async (easel: Easel, jobs: number) =>
  (await (await easel.get('/metrics')).text()).includes(`easel_queue_jobs{state="running"} ${jobs}\n`);

const endOf = async (easel: Easel, mediaId: string) => {
  await until(async () => ['succeeded', 'failed', 'cancelled'].includes((await easel.record(mediaId)).status));
  return await easel.record(mediaId);
};

it('is not there for one request that needs more, which is refused whole', async () => {
  await using easel = await startEasel({ env });
  const inputs = [part(await pictureOf(0.6 * MIB, 'a')), part(await pictureOf(0.6 * MIB, 'b'))];
  expect(await refusal(easel, { mediaId: 'x', inputs })).toMatchObject({
    code: 'payload_too_large',
    paths: [{ path: 'inputs' }],
  });
});

it('is shared by the calls that are out: others wait, and can be cancelled meanwhile', async () => {
  await using easel = await startEasel({ env });
  const gate = easel.upstream.gate();
  easel.upstream.script(picture({ beforeHeaders: gate }));
  await submitEdit(easel, 'first');
  await gate.reached();
  for (const mediaId of ['second', 'third']) await submitEdit(easel, mediaId);
  await until(() => isRunning(easel, 3));
  expect(await easel.services.images.cancel('second', ANONYMOUS)).toMatchObject({ status: 'cancelled', attempts: [] });
  expect(easel.upstream.calls).toHaveLength(1);
  gate.open();
  expect((await endOf(easel, 'third')).status).toBe('succeeded');
  expect((await endOf(easel, 'first')).status).toBe('succeeded');
  expect(easel.upstream.calls.map(({ body }) => String(body.prompt).split('\n')[0])).toEqual(['first', 'third']);
});

it('is waited for no longer once the service stops: the next one makes the picture', async () => {
  await using folder = await temporaryFolder();
  await using upstream = await startOpenAiServer();
  {
    await using easel = await startEasel({ env, upstream, folder: folder.path });
    upstream.script(hang());
    await submitEdit(easel, 'first');
    await upstream.received(1);
    await submitEdit(easel, 'second');
    await until(() => isRunning(easel, 2));
    await easel.services.stop({ graceMs: 0 });
  }
  await using next = await startEasel({ env, upstream, folder: folder.path });
  expect(await endOf(next, 'second')).toMatchObject({ status: 'succeeded', attempts: [{ outcome: 'ok' }] });
});
