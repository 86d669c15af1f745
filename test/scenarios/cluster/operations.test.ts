import { expect, it } from 'vitest';
import type { z } from 'zod';
import type { operationsReport } from '../../../src/api/operations.ts';
import { openReplicas, post } from '../../support/cluster/replicas.ts';
import { openAiError } from '../../support/openai/answers.ts';
import { until } from '../../support/until.ts';

type Report = z.output<typeof operationsReport>;

it('GET /operations of a replica that makes nothing shows those of the others: providers, stages, instances', async () => {
  await using cluster = await openReplicas();
  const api = await cluster.start('api');
  const operations = async () => (await (await fetch(`${api.url}/operations`)).json()) as Report;
  expect(await operations()).toMatchObject({
    providers: [{ name: 'openai', state: 'closed' }],
    cleanup: { nextAt: null },
    stages: [],
    instances: [{ role: 'api' }],
  });

  await cluster.start('worker');
  expect((await post(api, { prompt: 'a lighthouse' })).status).toBe(201);
  cluster.upstream.always(openAiError('invalid_api_key'));
  await post(api, { mediaId: 'refused', prompt: 'a lighthouse' }, { prefer: 'respond-async' });
  let report = await operations();
  await until(async () => {
    report = await operations();
    return report.providers[0]?.lastError !== undefined && report.stages.some(({ stage }) => stage === 'publish');
  });
  expect(['open', 'half_open']).toContain(report.providers[0]?.state);
  expect(report.providers[0]?.lastError?.fault).toBe('account');
  expect(report.stages.find(({ stage }) => stage === 'publish')?.count).toBe(1);
  expect(report.instances.map(({ role }) => role)).toEqual(['api', 'worker']);
  expect(Date.parse(report.cleanup.nextAt ?? '')).toBeGreaterThan(Date.now() - 60_000);
});
