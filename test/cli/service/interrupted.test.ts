/** Ctrl-C on a running service: the picture is cancelled there, and the command says what was paid. */

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
  startProcess({ folder: easel.folder, command: [process.execPath, EASEL, ...args, '--url', easel.url] });

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

async function queued(): Promise<readonly unknown[]> {
  const page = (await (await easel.get('/images?status=queued')).json()) as { readonly items: readonly unknown[] };
  return page.items;
}
