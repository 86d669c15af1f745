import request from 'supertest';
import { beforeEach, describe, expect, test } from 'vitest';
import { createMetrics } from '../../../src/adapters/telemetry/prometheus.ts';
import type { GaugeSources } from '../../../src/adapters/telemetry/prometheus-gauges.ts';
import type { Spending } from '../../../src/core/domain/money.ts';
import type { Metrics } from '../../../src/core/ports/telemetry.ts';
import { exampleImage } from '../../support/app/fake-images.ts';
import { openHttpApp } from '../../support/app/http-app.ts';

let metrics: Metrics;
let bytes: () => Promise<number>;
let depth: GaugeSources['queueDepth'];
let spentToday: Spending[];

beforeEach(() => {
  bytes = async () => 4096;
  depth = async () => ({ waiting: 3, running: 2, deferred: 1 });
  spentToday = [spent('gpt-image-2', 'blog', 1_500_000)];
  metrics = createMetrics({
    queueDepth: () => depth(),
    mediaBytes: () => bytes(),
    freeBytes: async () => 12_345,
    storage: () => [{ part: 'pictures', working: false }],
    unreadableRecords: () => 2,
    breakers: () => [{ provider: 'openai', open: true }],
    spentToday: async () => spentToday,
    reserved: async () => 0.25,
    budget: { usdPerDay: 50, usdPerDayOfKey: new Map([['blog', 10]]) },
    shutdowns: () => [{ model: 'gpt-image-2', time: 1_796_083_200_000 }],
    models: [{ provider: 'openai', model: 'gpt-image-2' }],
    version: '1.2.3',
  });
});

function spent(model: string, owner: string, microUsd: number): Spending {
  return { day: '2026-11-23', owner, model, images: 1, microUsd, unpriced: 0 };
}

/** Value of one series, given in Prometheus notation; undefined when it does not exist. */
async function value(series: string, from = metrics): Promise<number | undefined> {
  const { body } = await from.expose();
  const line = body.split('\n').find((line) => line.startsWith(`${series} `));
  return line === undefined ? undefined : Number(line.slice(series.length + 1));
}

describe('metrics', () => {
  test.each([
    'easel_images_total{status="succeeded",provider="openai",model="gpt-image-2",code=""}',
    'easel_images_total{status="failed",provider="openai",model="gpt-image-2",code="provider_failed"}',
    'easel_images_total{status="failed",provider="openai",model="gpt-image-2",code="prompt_rejected"}',
    'easel_http_problems_total{code="budget_exhausted"}',
    'easel_cleanup_failures_total',
    'easel_cleanup_last_success_timestamp_seconds',
    'easel_provider_requests_total{provider="openai",outcome="unknown"}',
    'easel_provider_retries_total{provider="openai"}',
    'easel_cost_usd_total{provider="openai",model="gpt-image-2"}',
    'easel_stage_duration_seconds_count{stage="publish"}',
    'easel_provider_account_faults_total{provider="openai"}',
  ])('%s exists from the start, at 0', async (series) => {
    expect(await value(series)).toBe(0);
  });

  test('count what happens', async () => {
    metrics.imageEnded(exampleImage());
    metrics.providerCall('openai', 'ok');
    metrics.providerRetry('openai');
    metrics.accountFault('openai');
    metrics.stage('finish', 0.3);
    metrics.spent('openai', 'gpt-image-2', { usd: 0.041, basis: 'usage' });
    metrics.spent('openai', 'gpt-image-2', { usd: null, basis: 'unknown' });
    expect(await value('easel_images_total{status="succeeded",provider="openai",model="gpt-image-2",code=""}')).toBe(1);
    expect(await value('easel_provider_requests_total{provider="openai",outcome="ok"}')).toBe(1);
    expect(await value('easel_provider_retries_total{provider="openai"}')).toBe(1);
    expect(await value('easel_provider_account_faults_total{provider="openai"}')).toBe(1);
    expect(await value('easel_provider_breaker_state{provider="openai"}')).toBe(1);
    expect(await value('easel_stage_duration_seconds_sum{stage="finish"}')).toBe(0.3);
    expect(await value('easel_cost_usd_total{provider="openai",model="gpt-image-2"}')).toBe(0.041);
    expect(await value('easel_queue_jobs{state="waiting"}')).toBe(3);
    expect(await value('easel_queue_jobs{state="running"}')).toBe(2);
    expect(await value('easel_media_bytes')).toBe(4096);
  });

  test('show spending, budgets and the shutdown dates of models', async () => {
    expect(await value('easel_spent_today_usd{model="gpt-image-2",key="blog"}')).toBe(1.5);
    expect(await value('easel_reserved_usd')).toBe(0.25);
    expect(await value('easel_budget_usd_per_day')).toBe(50);
    expect(await value('easel_budget_usd_per_day{key="blog"}')).toBe(10);
    expect(await value('easel_model_shutdown_timestamp_seconds{model="gpt-image-2"}')).toBe(1_796_083_200);
    // A new day begins with nothing.
    spentToday = [];
    expect(await value('easel_spent_today_usd{model="gpt-image-2",key="blog"}')).toBeUndefined();
  });

  test('say why images failed, by the closed list', async () => {
    for (const code of ['prompt_rejected', 'prompt_rejected', 'of an older Easel'])
      metrics.imageEnded(exampleImage({ status: 'failed', error: { code, detail: '' } }));
    const series = (code: string) =>
      `easel_images_total{status="failed",provider="openai",model="gpt-image-2",code="${code}"}`;
    expect([await value(series('prompt_rejected')), await value(series('other'))]).toEqual([2, 1]);
  });

  test('say what runs, what refuses work and what is damaged', async () => {
    metrics.cleanupEnded(false);
    metrics.cleanupEnded(true);
    metrics.countRequest('POST', '/images', 507, 0.1, 'storage_full');
    expect(await value(`easel_build_info{version="1.2.3",node="${process.versions.node}"}`)).toBe(1);
    expect(await value('easel_storage_working{storage="pictures"}')).toBe(0);
    expect(await value('easel_records_unreadable')).toBe(2);
    expect(await value('easel_cleanup_failures_total')).toBe(1);
    expect(await value('easel_cleanup_last_success_timestamp_seconds')).toBeGreaterThan(1e9);
    expect(await value('easel_http_problems_total{code="storage_full"}')).toBe(1);
  });

  test('have a bounded number of keys', async () => {
    spentToday = Array.from({ length: 1_000 }, (_, key) => spent('gpt-image-2', `k${key}`, 1_000_000));
    expect(await value('easel_spent_today_usd{model="gpt-image-2",key="other"}')).toBe(900);
  });

  test('survive a database that cannot be read', async () => {
    bytes = async () => {
      throw new Error('SQLITE_IOERR');
    };
    expect(await value('easel_media_bytes')).toBeNaN();
    expect(await value('easel_queue_jobs{state="waiting"}')).toBe(3);
  });

  test('survive a queue that cannot be read', async () => {
    depth = async () => {
      throw new Error('SQLITE_IOERR');
    };
    for (const state of ['waiting', 'running', 'deferred']) {
      expect(await value(`easel_queue_jobs{state="${state}"}`), state).toBeNaN();
    }
    expect(await value('easel_media_bytes')).toBe(4096);
  });

  test('list the outcomes of webhooks in a fixed order', async () => {
    const { body } = await metrics.expose();
    const outcomes = [...body.matchAll(/^easel_webhook_deliveries_total\{outcome="(\w+)"\}/gm)];
    expect(outcomes.map(([, outcome]) => outcome)).toEqual(['delivered', 'retried', 'failed', 'disabled']);
  });

  test('have a bounded number of models', async () => {
    for (let model = 0; model < 1_000; model++) metrics.spent('openai', `m${model}`, { usd: 1, basis: 'usage' });
    const { body } = await metrics.expose();
    expect(body.match(/^easel_cost_usd_total\{/gm)).toHaveLength(101);
    expect(await value('easel_cost_usd_total{provider="openai",model="other"}')).toBe(901);
  });

  test('have help texts and valid names, without the three misnamed gauges of prom-client', async () => {
    const { body } = await metrics.expose();
    const types = [...body.matchAll(/^# TYPE (\S+) (\S+)$/gm)].map(([, name = '', type = '']) => ({ name, type }));
    expect(types.length).toBeGreaterThan(20);
    for (const { name, type } of types) {
      expect(body).toMatch(new RegExp(`^# HELP ${name} \\S`, 'm'));
      expect(name.endsWith('_total'), name).toBe(type === 'counter');
    }
    const names = types.map(({ name }) => name);
    expect(names.filter((name) => name.startsWith('easel_')).sort()).toEqual([
      'easel_budget_usd_per_day',
      'easel_build_info',
      'easel_cleanup_failures_total',
      'easel_cleanup_last_success_timestamp_seconds',
      'easel_cost_usd_total',
      'easel_http_problems_total',
      'easel_http_request_duration_seconds',
      'easel_images_total',
      'easel_media_bytes',
      'easel_model_shutdown_timestamp_seconds',
      'easel_provider_account_faults_total',
      'easel_provider_breaker_state',
      'easel_provider_requests_total',
      'easel_provider_retries_total',
      'easel_queue_jobs',
      'easel_records_unreadable',
      'easel_reserved_usd',
      'easel_spent_today_usd',
      'easel_stage_duration_seconds',
      'easel_storage_free_bytes',
      'easel_storage_working',
      'easel_webhook_deliveries_total',
    ]);
    expect(names).toContain('nodejs_eventloop_lag_p99_seconds');
  });
});

describe('over HTTP', () => {
  test('requests are counted by route pattern, and unmatched ones under one name', async () => {
    await using http = await openHttpApp({ metrics });
    const api = () => request(http.app.server);
    await api().get('/images/one').expect(404);
    await api().get('/images/two').expect(404);
    await api().get('/nope/1').expect(404);
    await api().get('/nope/2').expect(404);
    await api().get('/media/%zz').expect(400);
    await http.raw('PROPFIND /x HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n');

    const answer = await api().get('/metrics').expect(200);
    expect(answer.headers['content-type']).toBe('text/plain; version=0.0.4; charset=utf-8');
    const counted = [...answer.text.matchAll(/^easel_http_request_duration_seconds_count(\{.*\}) (\d+)$/gm)];
    expect(counted.map(([, labels, count]) => `${labels} ${count}`).sort()).toEqual([
      '{method="GET",route="/images/:mediaId",status="404"} 2',
      '{method="GET",route="unmatched",status="400"} 1',
      '{method="GET",route="unmatched",status="404"} 2',
      '{method="other",route="unmatched",status="404"} 1',
    ]);
  });
});
