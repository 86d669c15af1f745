import { expect, it } from 'vitest';
import { picture } from '../../support/openai/answers.ts';
import { until } from '../../support/until.ts';
import { report, submit, threeReplicas, untilStatus } from './three-replicas.ts';

const WORKER = { ROLE: 'worker', CONCURRENCY: '1' };

it('a worker that is stopped ends its call, and leaves what waits to another', async () => {
  await using trial = await threeReplicas();
  const { upstream, replica } = trial;
  const [{ url }, stopped] = await Promise.all([
    replica('A').start({ env: { ROLE: 'api' } }),
    replica('B').start({ env: WORKER }),
  ]);
  const gate = upstream.gate();
  upstream.script(picture({ beforeHeaders: gate }));
  await submit(url, 'ends');
  await upstream.received(1);
  const waiting = ['first', 'second', 'third'];
  for (const mediaId of waiting) await submit(url, mediaId);
  stopped.child.kill('SIGTERM');
  await until(() => stopped.stdout().includes('stopping'));
  await replica('C').start({ env: WORKER });
  for (const mediaId of waiting) await untilStatus(url, mediaId, 'succeeded');
  expect(stopped.child.exitCode).toBeNull();
  gate.open();
  expect(await stopped.exited).toBe(0);
  for (const mediaId of ['ends', ...waiting]) {
    await untilStatus(url, mediaId, 'succeeded');
    expect(await trial.outcomes(mediaId), mediaId).toEqual(['ok']);
  }
  expect(upstream.calls).toHaveLength(4);
});

it('a worker that is stopped without grace gives its job back, and another has it before a heartbeat is missed', async () => {
  await using trial = await threeReplicas();
  const { upstream, cluster, replica } = trial;
  const [{ url }, stopped] = await Promise.all([
    replica('A').start({ env: { ROLE: 'api' } }),
    replica('B').start({ env: { ...WORKER, SHUTDOWN_GRACE_SECONDS: '0' } }),
  ]);
  const gate = upstream.gate();
  upstream.script(picture({ beforeHeaders: gate }), picture({ beforeHeaders: gate }));
  await submit(url, 'given-back');
  await upstream.received(1);
  await replica('C').start({ env: WORKER });
  const stoppedAt = Date.now();
  stopped.child.kill('SIGTERM');
  await upstream.received(2);
  report('from SIGTERM to the next call', (await trial.calledAt('given-back')) - stoppedAt);
  // A job that was taken over has another reason.
  const [job] = await cluster.query(
    "SELECT output ->> 'message' AS reason FROM easel_jobs.job WHERE name = 'images' AND singleton_key = 'given-back'",
  );
  expect(job).toEqual({ reason: 'given back by a process that stopped' });
  gate.open();
  await untilStatus(url, 'given-back', 'succeeded');
  expect(await trial.outcomes('given-back')).toEqual(['unknown', 'ok']);
  expect(await stopped.exited).toBe(0);
});
