import { readdir, readFile } from 'node:fs/promises';
import { expect, it } from 'vitest';
import { EASEL } from '../../cli/run-easel.ts';
import { type RunningService, startProcess } from '../../support/app/process.ts';
import { postUntilTaken } from '../../support/cluster/post-taken.ts';
import { openReplicas } from '../../support/cluster/replicas.ts';
import { eventually, until } from '../../support/until.ts';

it('ROLE=api answers for pictures that workers make, knows announced shutdowns, and starts no thread for pictures', async () => {
  await using cluster = await openReplicas('bucket');
  const announced = cluster.upstream.models.get('gpt-image-2');
  if (announced) announced.shutdownDate = '2099-01-01';
  const [api, worker] = await Promise.all([cluster.start('api'), cluster.start('worker')]);
  const made = await postUntilTaken(api, { mediaId: 'made', prompt: 'a lighthouse' });
  expect([made.status, made.body.status]).toEqual([201, 'succeeded']);
  await eventually(async () => {
    const list = (await (await fetch(`${api.url}/models`)).json()) as { readonly items: unknown };
    expect(list.items).toContainEqual(expect.objectContaining({ id: 'gpt-image-2', shutdownDate: '2099-01-01' }));
  });
  expect(api.stdout()).not.toContain('picture received');
  expect(worker.stdout()).toContain('picture received');
  if (process.platform === 'linux') {
    // What sharp runs on, which a replica has once it has made a picture.
    expect(await threadsOf(api)).not.toContain('libvips worker');
  }
  for (const { url } of [api, worker]) {
    expect(await (await fetch(`${url}/health`)).json()).toMatchObject({
      status: 'ok',
      checks: { queue: { status: 'ok', detail: '0 waiting of at most 1000, 0 running' } },
    });
  }
  for (const path of ['/', '/docs', '/openapi.json', '/images', '/media/made.png', '/v1/models', '/cleanup/last']) {
    const answer = await fetch(worker.url + path);
    expect([answer.status, answer.headers.get('content-type'), await answer.json()]).toMatchObject([
      404,
      expect.stringContaining('application/problem+json'),
      { code: 'not_found' },
    ]);
  }
});

it('a command says that no replica makes pictures, and goes on when one has come', async () => {
  await using cluster = await openReplicas('bucket');
  const command = [process.execPath, EASEL, 'generate', 'a boat'] as const;
  await using run = startProcess({ folder: cluster.folder, command, env: cluster.env });
  await until(() => run.stderr().includes('no replica that makes pictures is running'));
  await cluster.start('worker');
  expect(await run.exited).toBe(0);
  await using second = startProcess({ folder: cluster.folder, command, env: cluster.env });
  expect([await second.exited, second.stderr()]).toEqual([0, '']);
});

/** The names of the threads of a process. */
async function threadsOf({ child }: RunningService): Promise<readonly string[]> {
  const tasks = `/proc/${child.pid}/task`;
  const names = (await readdir(tasks)).map((task) => readFile(`${tasks}/${task}/comm`, 'utf8').catch(() => ''));
  return (await Promise.all(names)).map((name) => name.trim());
}
