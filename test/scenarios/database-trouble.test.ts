import { once } from 'node:events';
import { rename } from 'node:fs/promises';
import { DatabaseSync } from 'node:sqlite';
import { Worker } from 'node:worker_threads';
import { expect, it } from 'vitest';
import { startEasel } from '../support/app/easel.ts';
import { picture } from '../support/openai/answers.ts';

const prompt = 'a lighthouse at dusk';
const env = { CONCURRENCY: '1', IMAGE_SIZE: '256x256', IMAGE_RENDITIONS: '64x64.png' };

it('takes and pays for nothing while its database is moved away, and finishes what it had when it is back', async () => {
  await using easel = await startEasel({ env });
  const gate = easel.upstream.gate();
  easel.upstream.script(picture({ beforeHeaders: gate }));
  await easel.post({ mediaId: 'paid', prompt }, { prefer: 'respond-async' });
  await gate.reached();
  await easel.post({ mediaId: 'queued', prompt: 'another' }, { prefer: 'respond-async' });

  const path = `${easel.folder}/easel.db`;
  await rename(path, `${path}.away`);
  const refused = await easel.post({ mediaId: 'new', prompt });
  expect([refused.status, refused.body.code]).toEqual([503, 'storage_unavailable']);
  gate.open();
  const failing = (await (await easel.get('/health')).json()) as { checks: { database: { status: string } } };
  expect(failing.checks.database.status).toBe('error');
  await expect.poll(() => easel.log.some((line) => line.includes('storage failed, retrying'))).toBe(true);
  expect(easel.upstream.calls).toHaveLength(1);

  await rename(`${path}.away`, path);
  const statuses = () => Promise.all(['paid', 'queued'].map(async (mediaId) => (await easel.record(mediaId)).status));
  await expect.poll(statuses).toEqual(['succeeded', 'succeeded']);
  expect((await easel.get('/images/new')).status).toBe(404);
  expect(easel.upstream.calls).toHaveLength(2);
});

it('answers for its health while another program locks the database and calls wait for it', async () => {
  await using easel = await startEasel({ env });
  await easel.post({ mediaId: 'hero', prompt });
  const other = new DatabaseSync(`${easel.folder}/easel.db`);
  other.exec('BEGIN IMMEDIATE');
  const posts = Array.from({ length: 30 }, (_, n) => easel.post({ mediaId: `waits-${n}`, prompt }));
  await using asker = askerOf(`${easel.url}/health`);
  const [{ status, ms }] = await asker.answer;
  // Each of the others waits for a second: one after the other they would take half a minute.
  expect([status, ms < 15_000]).toEqual([503, true]);
  expect((await Promise.all(posts)).map((answer) => answer.status)).toEqual(Array(30).fill(503));
  other.exec('ROLLBACK');
  other.close();
  expect((await easel.post({ mediaId: 'after', prompt })).status).toBe(201);
});

/** Asks for the URL from a thread of its own, so that the time it takes is the service's, and includes what holds up its thread. */
function askerOf(url: string) {
  const code = `
    const { parentPort } = require('node:worker_threads');
    const began = performance.now();
    fetch(${JSON.stringify(url)}).then(({ status }) => parentPort.postMessage({ status, ms: performance.now() - began }))`;
  const worker = new Worker(code, { eval: true });
  return {
    answer: once(worker, 'message') as Promise<[{ status: number; ms: number }]>,
    async [Symbol.asyncDispose]() {
      await worker.terminate();
    },
  };
}
