/** Uploads of edits while the process is killed, again and again. */

import { readdir, readFile, utimes } from 'node:fs/promises';
import { connect } from 'node:net';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { inputName } from '../../src/core/domain/file-names.ts';
import { isFinished } from '../../src/core/domain/image.ts';
import { startService } from '../support/app/process.ts';
import { multipart } from '../support/multipart.ts';
import { type OpenAiServer, startOpenAiServer } from '../support/openai/server.ts';
import { texturedPicture } from '../support/pictures.ts';
import { temporaryFolder } from '../support/temporary-folder.ts';
import { until } from '../support/until.ts';
import { filesOnDisk, readDatabase, sha256 } from '../torture/audit.ts';

/** Calls that the model API receives in each life before it ends. */
const LIVES = [2, 5, 3, 7];
const HOUR_MS = 3_600_000;

/** An edit of two pictures, one of which every other edit has too. */
async function anEdit(mediaId: string, logo: Buffer) {
  const own = await texturedPicture({ width: 96, height: 64, seed: mediaId });
  const request = {
    mediaId,
    prompt: mediaId,
    size: '1024x640',
    renditions: [],
    inputs: [{ file: 'logo' }, { file: 'own' }],
  };
  return multipart([
    { name: 'logo', content: logo, fileName: 'logo.png' },
    { name: 'request', content: JSON.stringify(request), contentType: 'application/json' },
    { name: 'own', content: own, fileName: 'own.png' },
  ]);
}

/** Sends the first half of a body, and leaves it at that. */
function sendHalf(url: string, { contentType, bytes }: ReturnType<typeof multipart>) {
  const socket = connect(Number(new URL(url).port), '127.0.0.1').on('error', () => {});
  socket.write(
    `POST /images HTTP/1.1\r\nHost: x\r\nContent-Type: ${contentType}\r\nContent-Length: ${bytes.length}\r\n\r\n`,
  );
  socket.write(bytes.subarray(0, bytes.length / 2));
  return socket;
}

/** The input files on disk, by their SHA-256. */
const inputsOnDisk = async (folder: string) => (await readdir(join(folder, 'media', 'inputs'))).toSorted();

it('loses no accepted edit and no input, pays once for each that no death interrupted, and leaves no orphan', async () => {
  await using folder = await temporaryFolder();
  await using upstream = await startOpenAiServer();
  const logo = await texturedPicture({ width: 96, height: 64, seed: 'logo' });
  const accepted: string[] = [];
  const start = () =>
    startService({
      folder: folder.path,
      env: {
        OPENAI_API_KEY: upstream.key ?? '',
        OPENAI_BASE_URL: upstream.baseUrl,
        AMBIGUOUS_RETRIES: String(LIVES.length),
      },
    });

  /** Sends edits one after the other until the service is gone. */
  async function send(url: string, lane: string): Promise<void> {
    for (let number = 0; ; number += 1) {
      const mediaId = `${lane}-${number}`;
      const { contentType, bytes } = await anEdit(mediaId, logo);
      const headers = { 'content-type': contentType, ...(number % 2 === 0 && { prefer: 'respond-async' }) };
      const answer = await fetch(`${url}/images`, { method: 'POST', headers, body: bytes }).catch(() => null);
      if (answer === null) return;
      if (answer.ok) accepted.push(mediaId);
    }
  }

  for (const [life, calls] of LIVES.entries()) {
    const before = upstream.calls.length;
    await using service = await start();
    const socket = sendHalf(service.url, await anEdit(`half-${life}`, logo));
    const lanes = ['a', 'b', 'c'].map((lane) => send(service.url, `${lane}${life}`));
    await until(() => upstream.calls.length >= before + calls);
    service.child.kill('SIGKILL');
    await Promise.all([service.exited, ...lanes]);
    socket.destroy();
    expect(await missingInputs(folder.path)).toEqual([]);
  }

  await using service = await start();
  await until(() => readDatabase(folder.path).images.every(({ status }) => isFinished(status)));
  const { images, findings } = readDatabase(folder.path);
  expect(findings).toEqual([]);
  expect(images.map(({ mediaId }) => mediaId)).toEqual(expect.arrayContaining(accepted));
  expect(accepted.length).toBeGreaterThan(LIVES.length);
  expect(images.flatMap((image) => wrongCalls(image, upstream))).toEqual([]);
  expect(await missingInputs(folder.path)).toEqual([]);
  expect(filesOnDisk(folder.path).filter((name) => name.startsWith('.'))).toEqual([]);

  const old = (Date.now() - 2 * HOUR_MS) / 1000;
  for (const name of await inputsOnDisk(folder.path))
    await utimes(join(folder.path, 'media', inputName(name)), old, old);
  const cleaned = await fetch(`${service.url}/cleanup`, { method: 'POST' });
  expect(cleaned.status).toBe(200);
  expect(await inputsOnDisk(folder.path)).toEqual([...namedInputs(images)].toSorted());
});

type Images = ReturnType<typeof readDatabase>['images'];

const namedInputs = (images: Images) =>
  new Set(images.flatMap(({ request }) => (request.inputs ?? []).map(({ sha256 }) => sha256)));

/** The inputs that a record names and that are not on disk as they came. */
async function missingInputs(folder: string): Promise<readonly string[]> {
  const names = [...namedInputs(readDatabase(folder).images)];
  const bytes = await Promise.all(
    names.map((name) => readFile(join(folder, 'media', inputName(name))).catch(() => null)),
  );
  return names.filter((name, index) => sha256(bytes[index] ?? Buffer.alloc(0)) !== name);
}

/**
 * What is wrong with the calls that the model API received for an image, by its log: one has brought the picture, every other was out when
 * the process died, and each had the inputs on record, in order.
 */
function wrongCalls({ mediaId, status, attempts, request }: Images[number], upstream: OpenAiServer): readonly string[] {
  const calls = upstream.calls.filter(({ body }) => String(body.prompt).split('\n')[0] === mediaId);
  const outcomes = attempts.map(({ outcome }) => outcome);
  const isRight =
    status === 'succeeded' &&
    outcomes.filter((outcome) => outcome === 'ok').length === 1 &&
    outcomes.every((outcome) => outcome === 'ok' || outcome === 'unknown') &&
    calls.length >= 1 &&
    calls.length <= attempts.length;
  const wanted = (request.inputs ?? []).map(({ sha256 }) => sha256).join();
  const wrong = calls.filter(({ files }) => files.map((file) => file.sha256).join() !== wanted);
  return isRight && wrong.length === 0 ? [] : [`${mediaId}: ${status}, ${outcomes}, ${calls.length} calls`];
}
