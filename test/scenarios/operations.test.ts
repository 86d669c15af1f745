import { expect, it } from 'vitest';
import type { z } from 'zod';
import { operationsReport } from '../../src/api/operations.ts';
import { startEasel } from '../support/app/easel.ts';
import { startService } from '../support/app/process.ts';
import { openAiError } from '../support/openai/answers.ts';
import { startOpenAiServer } from '../support/openai/server.ts';
import { temporaryFolder } from '../support/temporary-folder.ts';
import { bearer, TEST_KEYS } from '../support/test-keys.ts';
import { until } from '../support/until.ts';

type Report = z.output<typeof operationsReport>;

/** The report, which has to have exactly the fields of the contract. */
async function operations(url: string, headers = {}): Promise<Report> {
  const response = await fetch(`${url}/operations`, { headers });
  expect([response.status, response.headers.get('cache-control')]).toEqual([200, 'no-store']);
  return operationsReport.parse(await response.json());
}

it('a process shows a provider that refuses it as open, and one that asks for a pause as paused, until when and why', async () => {
  await using folder = await temporaryFolder();
  await using openai = await startOpenAiServer();
  await using own = await startOpenAiServer();
  openai.always(openAiError('invalid_api_key'));
  own.always(openAiError('rate_limit_exceeded', { headers: { 'retry-after': '250' } }));
  await using service = await startService({
    folder: folder.path,
    env: {
      OPENAI_API_KEY: openai.key ?? 'none',
      OPENAI_BASE_URL: openai.baseUrl,
      PROVIDERS: 'openai,own',
      PROVIDER_OWN_BASE_URL: own.baseUrl,
      PROVIDER_OWN_API_KEY: own.key ?? 'none',
      PROVIDER_OWN_MODEL: 'gpt-image-2',
      PROVIDER_OWN_CONCURRENCY: '3',
      PROVIDER_OWN_PER_MINUTE: '7',
      SHUTDOWN_GRACE_SECONDS: '0',
    },
  });
  const before = await operations(service.url);
  expect(before.providers.map(({ name, state, lastError }) => [name, state, lastError])).toEqual([
    ['openai', 'closed', undefined],
    ['own', 'closed', undefined],
  ]);

  for (const provider of ['openai', 'own'])
    await fetch(`${service.url}/images`, {
      method: 'POST',
      headers: { 'content-type': 'application/json', prefer: 'respond-async' },
      body: JSON.stringify({ prompt: 'a secret prompt', provider }),
    });
  let report = before;
  await until(async () => {
    report = await operations(service.url);
    return report.providers.every(({ lastError }) => lastError !== undefined);
  });
  const [open, paused] = report.providers;
  // Between probes it is open, during one half open.
  expect(open).toMatchObject({ model: 'gpt-image-2', perMinute: null, lastError: { fault: 'account' } });
  expect(['open', 'half_open']).toContain(open?.state);
  expect(paused).toMatchObject({
    state: 'paused',
    concurrency: 3,
    perMinute: 7,
    lastError: { fault: 'rate_limited' },
  });
  const since = Date.parse(paused?.since ?? '');
  expect(Date.parse(paused?.until ?? '') - since).toBeGreaterThan(200_000);
  expect(Date.parse(open?.since ?? '')).toBeGreaterThanOrEqual(Date.parse(before.providers[0]?.since ?? ''));
  expect(JSON.stringify(report)).not.toMatch(/secret prompt|sk-/);
  expect(report.queue.queued + report.queue.running).toBeGreaterThan(0);
});

it('shows queue, disk, cleanup, stages and the process, and keeps the stages over a restart', async () => {
  await using folder = await temporaryFolder();
  const env = { MEDIA_MAX_BYTES: '50000000', QUEUE_LIMIT: '7', CONCURRENCY: '1' };
  const options = { folder: folder.path, env, skipMs: 0 };
  const stages = ({ stages }: Report) => stages.map(({ stage, count }) => [stage, count]);
  let id = '';
  {
    await using easel = await startEasel(options);
    const empty = await operations(easel.url);
    expect(empty).toMatchObject({
      queue: { queued: 0, running: 0, limit: 7, oldestQueuedAt: null },
      disk: { mediaBytes: 0, maxBytes: 50_000_000 },
      cleanup: { last: null },
      stages: [],
      instances: [{ role: 'all' }],
    });
    expect(empty.disk.freeBytes).toBeGreaterThan(0);
    const nextMs = Date.parse(empty.cleanup.nextAt ?? '') - easel.clock.now();
    expect(nextMs).toBeGreaterThan(0);
    expect(nextMs).toBeLessThanOrEqual(3_600_000);

    await easel.post({ prompt: 'a lighthouse' });
    await fetch(`${easel.url}/cleanup`, { method: 'POST' });
    const gate = easel.upstream.gate();
    easel.upstream.always({ ...openAiError('server_error'), delivery: { beforeHeaders: gate } });
    for (const mediaId of ['runs', 'first', 'second'])
      await easel.post({ mediaId, prompt: mediaId }, { prefer: 'respond-async' });
    await gate.reached();
    easel.clock.advance(1_000);
    const report = await operations(easel.url);
    expect(report.queue).toEqual({
      queued: 2,
      running: 1,
      limit: 7,
      oldestQueuedAt: (await easel.record('first')).createdAt,
    });
    expect(report.disk.mediaBytes).toBeGreaterThan(0);
    expect(report.cleanup.last).toEqual(await (await easel.get('/cleanup/last')).json());
    expect(stages(report)).toEqual(['generate', 'store', 'finish', 'publish'].map((stage) => [stage, 1]));
    for (const { p50Ms, p95Ms } of report.stages) expect(p95Ms).toBe(p50Ms);
    id = report.instances[0]?.id ?? '';
    gate.open();
  }
  await using again = await startEasel(options);
  const report = await operations(again.url);
  expect(stages(report).slice(0, 2)).toEqual([
    ['generate', expect.any(Number)],
    ['store', 1],
  ]);
  expect(report.instances.map((instance) => instance.id)).not.toEqual([id]);
});

it('takes the scope admin', async () => {
  await using easel = await startEasel({ env: { API_KEYS: TEST_KEYS } });
  const status = async (name: string) => (await easel.get('/operations', bearer(name))).status;
  expect(await Promise.all(['boss', 'desk', 'blog', 'scraper', 'nobody'].map(status))).toEqual([
    200, 403, 403, 403, 401,
  ]);
});
