import { afterAll, beforeAll, expect, it } from 'vitest';
import { openReplicas, post, type Replicas, recordAt } from '../../support/cluster/replicas.ts';
import { hang } from '../../support/openai/answers.ts';
import { until } from '../../support/until.ts';

let cluster: Replicas;

beforeAll(async () => {
  cluster = await openReplicas('folder');
});
afterAll(() => cluster[Symbol.asyncDispose]());

it('the picture of a worker that is killed in its call is made by another, and its call stays on record as unknown', async () => {
  const api = await cluster.start('api');
  const first = await cluster.start('worker');
  cluster.upstream.script(hang());
  await post(api, { mediaId: 'taken-over', prompt: 'a lighthouse' }, { prefer: 'respond-async' });
  await cluster.upstream.received(1);
  const second = await cluster.start('worker');
  first.child.kill('SIGKILL');
  await first.exited;
  await until(async () => (await recordAt(api, 'taken-over')).status === 'succeeded');
  expect((await recordAt(api, 'taken-over')).attempts).toMatchObject([{ outcome: 'unknown' }, { outcome: 'ok' }]);
  expect(cluster.upstream.calls).toHaveLength(2);
  expect(second.stdout()).toContain('picture received');
});
