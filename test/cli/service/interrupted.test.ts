/** Ctrl-C on a running service: the picture is cancelled there, and the command says what was paid. */

import { createServer, request } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { type Easel, startEasel } from '../../support/app/easel.ts';
import { startProcess } from '../../support/app/process.ts';
import { openAiError, picture } from '../../support/openai/answers.ts';
import { until } from '../../support/until.ts';
import { EASEL } from '../run-easel.ts';

let easel: Easel;
beforeAll(async () => {
  easel = await startEasel({ env: { IMAGE_SIZE: '1024x1024', IMAGE_RENDITIONS: '', CONCURRENCY: '1' }, skipMs: 0 });
});
afterAll(async () => await easel[Symbol.asyncDispose]());

const start = (...args: readonly string[]) =>
  startProcess({ folder: easel.folder, command: [process.execPath, EASEL, '--url', easel.url, ...args] });

it('cancels the picture at the service, ends its call, and says what was paid at most', async () => {
  const gate = easel.upstream.gate();
  easel.upstream.script(picture({ beforeHeaders: gate }));
  await using run = start('generate', 'x', '--media-id', 'called');
  await gate.reached();
  run.child.kill('SIGINT');
  expect(await run.exited).toBe(130);
  expect([run.stdout(), run.stderr()]).toEqual([
    '',
    expect.stringMatching(/^cancelling the picture at the service; .*\ninterrupted: at most \$0\.\d+ was paid\n$/),
  ]);
  await easel.upstream.abandoned(1);
  gate.open();
  expect(await easel.record('called')).toMatchObject({ status: 'cancelled', attempts: [{ outcome: 'cancelled' }] });
});

it('says that nothing was paid for a picture that was still waiting, though the service has named it', async () => {
  const gate = easel.upstream.gate();
  easel.upstream.script(picture({ beforeHeaders: gate }));
  await easel.post({ mediaId: 'first', prompt: 'x' }, { prefer: 'respond-async' });
  await gate.reached();
  await using run = start('generate', 'y');
  await until(async () => (await queued()).length === 1);
  run.child.kill('SIGINT');
  expect(await run.exited).toBe(130);
  expect(run.stderr()).toMatch(/\ninterrupted: nothing was paid\n$/);
  expect(await queued()).toEqual([]);
  gate.open();
});

it('counts only what a retry has added to what the picture had cost', async () => {
  easel.upstream.script(openAiError('moderation_blocked'));
  await easel.post({ mediaId: 'again', prompt: 'z' });
  easel.upstream.script(openAiError('rate_limit_exceeded', { headers: { 'retry-after': '300' } }));
  const calls = easel.upstream.calls.length;
  await using run = start('retry', 'again');
  await easel.upstream.received(calls + 1);
  await until(async () => (await easel.record('again')).attempts.at(-1)?.outcome === 'failed');
  run.child.kill('SIGTERM');
  expect(await run.exited).toBe(130);
  expect(run.stderr()).toMatch(/\ninterrupted: nothing was paid\n$/);
  expect(await easel.record('again')).toMatchObject({ status: 'cancelled' });
});

it('cancels a picture whose request was still on its way', async () => {
  let hasAsked = () => {};
  const cancelAsked = new Promise<void>((resolve) => {
    hasAsked = resolve;
  });
  const seen: string[] = [];
  const proxy = createServer(async (incoming, answer) => {
    const { method = 'GET', url = '', headers } = incoming;
    seen.push(`${method} ${url}`);
    const onward = () => {
      const options = { method, headers };
      const sent = request(new URL(url, easel.url), options, (response) => {
        answer.writeHead(response.statusCode ?? 500, response.headers);
        response.pipe(answer);
        if (url.endsWith('/cancel')) response.once('end', hasAsked);
      });
      incoming.pipe(sent);
    };
    // The picture is asked for only once the service has said that it knows none.
    if (url === '/images') void cancelAsked.then(onward);
    else onward();
  });
  await new Promise<void>((resolve) => proxy.listen(0, '127.0.0.1', resolve));
  const gate = easel.upstream.gate();
  // Left over where the picture is cancelled before its call: no test below has a call.
  easel.upstream.script(picture({ beforeHeaders: gate }));
  await using run = start('generate', 'late', '--url', `http://127.0.0.1:${(proxy.address() as AddressInfo).port}`);
  await until(() => seen.includes('POST /images'));
  run.child.kill('SIGINT');
  expect(await run.exited).toBe(130);
  const page = (await (await easel.get('/images?q=late')).json()) as { readonly items: readonly object[] };
  expect(page.items).toMatchObject([{ status: 'cancelled' }]);
  gate.open();
  proxy.closeAllConnections();
  proxy.close();
});

it('ends at once at a second signal while the service does not answer, and names what says what was paid', async () => {
  await using silent = await startSilentServer();
  await using run = start('generate', 'x', '--url', silent.url);
  await until(() => silent.requests.includes('POST /images'));
  run.child.kill('SIGINT');
  await until(() => silent.requests.some((line) => /^POST \/images\/[\w-]+\/cancel$/.test(line)));
  // A repeat within a second is the same order: only a later one ends the process.
  await until(() => run.stderr().includes('ended at once') || !run.child.kill('SIGINT'));
  expect(await run.exited).toBe(130);
  expect(run.stderr()).toMatch(/\nended at once: what was paid is not known; easel get [\w-]+ says so\n$/);
});

it('says that it is not known what was paid where the service is away', async () => {
  const silent = await startSilentServer();
  await using run = start('generate', 'x', '--url', silent.url);
  await until(() => silent.requests.includes('POST /images'));
  await silent[Symbol.asyncDispose]();
  run.child.kill('SIGINT');
  const code = await run.exited;
  // The request may have been given up before the signal came.
  if (code === 1) expect(run.stderr()).toMatch(/could not be reached/);
  else
    expect([code, run.stderr()]).toEqual([
      130,
      expect.stringMatching(/what was paid is not known, as http.* says so\n$/),
    ]);
});

/** Takes every request and answers none. */
async function startSilentServer() {
  const requests: string[] = [];
  const server = createServer(({ method, url }) => void requests.push(`${method} ${url}`));
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    requests,
    async [Symbol.asyncDispose]() {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

async function queued(): Promise<readonly unknown[]> {
  const page = (await (await easel.get('/images?status=queued')).json()) as { readonly items: readonly unknown[] };
  return page.items;
}
