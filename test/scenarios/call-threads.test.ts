import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { openCallThreads } from '../../src/composition/threads/call-threads.ts';
import { startEasel } from '../support/app/easel.ts';
import { hang, picture } from '../support/openai/answers.ts';
import { startOpenAiServer } from '../support/openai/server.ts';
import { temporaryFolder } from '../support/temporary-folder.ts';
import { watchThreads } from '../support/threads.ts';
import { post, startLife } from '../torture/life.ts';

const X = { mediaId: 'x', prompt: 'a lighthouse' };

it.each([
  [0, 502, ['unknown']],
  [1, 201, ['unknown', 'ok']],
])(
  'a thread that dies during a call leaves it unknown on record, and with AMBIGUOUS_RETRIES=%i the answer is %i',
  async (retries, status, outcomes) => {
    using threads = watchThreads();
    await using easel = await startEasel({ openCalls: openCallThreads, env: { AMBIGUOUS_RETRIES: String(retries) } });
    const { upstream } = easel;
    upstream.script(hang());
    const posted = easel.post(X);
    await upstream.received(1);
    expect((await easel.record('x')).attempts).toMatchObject([{ outcome: 'running' }]);
    await threads.kill();
    expect((await posted).status).toBe(status);
    expect((await easel.record('x')).attempts.map(({ outcome }) => outcome)).toEqual(outcomes);
    expect(upstream.calls).toHaveLength(outcomes.length);
    // Sent again, the same request is not paid for again.
    await easel.post(X);
    expect(upstream.calls).toHaveLength(outcomes.length);
  },
);

it('the provider does not count as down when the thread of many calls dies', async () => {
  using threads = watchThreads();
  const env = { AMBIGUOUS_RETRIES: '0', CONCURRENCY: '6' };
  await using easel = await startEasel({ openCalls: openCallThreads, env });
  const { upstream } = easel;
  upstream.script(...Array.from({ length: 6 }, () => hang()));
  const posted = Array.from({ length: 6 }, (_, number) => easel.post({ prompt: `lost ${number}` }));
  await upstream.received(6);
  await threads.kill();
  expect((await Promise.all(posted)).map(({ status }) => status)).toEqual(Array(6).fill(502));
  expect((await easel.post({ prompt: 'another' })).status).toBe(201);
});

it('the other images go on when a thread dies', async () => {
  using threads = watchThreads();
  await using easel = await startEasel({ openCalls: openCallThreads });
  const { upstream } = easel;
  const gate = upstream.gate();
  upstream.script(picture({ beforeHeaders: gate }));
  const first = easel.post(X);
  await gate.reached();
  await threads.kill();
  gate.open();
  expect((await first).status).toBe(201);
  expect((await easel.post({ prompt: 'another' })).status).toBe(201);
});

it('the event loop loads neither the SDK nor what receives, decodes or paints pictures', async () => {
  await using folder = await temporaryFolder();
  await using upstream = await startOpenAiServer();
  const loaded = join(folder.path, 'loaded');
  const preload = new URL('../support/loaded-modules.ts', import.meta.url);
  await using service = await startLife({ folder: folder.path, upstream, preload, env: { LOADED_MODULES: loaded } });
  expect((await post(service.url, X)).status).toBe(201);
  const modules = (await readFile(loaded, 'utf8')).split('\n');
  expect(modules).toContainEqual(expect.stringContaining('/providers/openai/provider.ts'));
  const threads = /node_modules\/openai\/|\/providers\/(?:transport|.*\/(?:calls|answer|base64|painting))\.ts$/;
  expect(modules.filter((url) => threads.test(url))).toEqual([]);
});
