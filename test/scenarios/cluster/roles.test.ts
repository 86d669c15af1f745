import { afterAll, beforeAll, expect, it } from 'vitest';
import type { RunningService } from '../../support/app/process.ts';
import { openEventStream } from '../../support/network/event-stream.ts';
import { picture } from '../../support/openai/answers.ts';
import { until } from '../../support/until.ts';
import { getRecord, post } from '../../torture/life.ts';
import { report, submit, type ThreeReplicas, threeReplicas } from './three-replicas.ts';

let trial: ThreeReplicas;
let a: RunningService;
let b: RunningService;
let c: RunningService;

beforeAll(async () => {
  trial = await threeReplicas();
  const roles = { A: 'api', B: 'worker', C: 'api' } as const;
  [a, b, c] = (await Promise.all(
    (['A', 'B', 'C'] as const).map((name) => trial.replica(name).start({ env: { ROLE: roles[name] } })),
  )) as [RunningService, RunningService, RunningService];
});
afterAll(() => trial?.[Symbol.asyncDispose]());

it('a picture is accepted at A, made at B and watched at C, which gives its bytes', async () => {
  const { upstream } = trial;
  const gate = upstream.gate();
  upstream.script(picture({ beforeHeaders: gate }));
  const accepted = await submit(a.url, 'trace');
  expect(accepted).toMatchObject({ status: 202, body: { status: 'queued' } });
  await gate.reached();
  await using events = await openEventStream(`${c.url}/images/trace/events`);
  const waiting = post(c.url, { mediaId: 'trace', prompt: 'trace' });
  expect(await events.next()).toMatchObject({ event: 'status', data: { status: 'generating' } });
  gate.open();
  const rest = await events.rest();
  const doneAt = Date.now();
  expect(rest.at(-1)).toMatchObject({ event: 'done', data: { status: 'succeeded' } });
  const { status, body } = await waiting;
  expect([status, body.status]).toEqual([200, 'succeeded']);
  report('from published at B to the event at C', doneAt - Date.parse(`${body.completedAt}`));
  for (const { url } of [c, a]) {
    const answer = await fetch(`${url}${body.url}`);
    expect([answer.status, answer.headers.get('etag')]).toEqual([
      200,
      expect.stringContaining(`${body.sha256}`.slice(0, 8)),
    ]);
    expect((await answer.arrayBuffer()).byteLength).toBe(body.bytes);
  }
  // Who made it is in the log of that replica alone.
  expect([a, b, c].map(({ stdout }) => stdout().includes('picture received'))).toEqual([false, true, false]);
});

it('a cancel at A ends the call at B', async () => {
  const { upstream } = trial;
  const gate = upstream.gate();
  upstream.script(picture({ beforeHeaders: gate }));
  await submit(a.url, 'cancelled');
  await gate.reached();
  const calls = upstream.calls.length;
  const cancelledAt = Date.now();
  const answer = await fetch(`${a.url}/images/cancelled/cancel`, { method: 'POST' });
  expect([answer.status, await answer.json()]).toMatchObject([200, { status: 'cancelled' }]);
  await until(() => upstream.calls[calls - 1]?.ending === 'client_left');
  report('from the cancel at A to the end of the call at B, at most', Date.now() - cancelledAt);
  expect((await getRecord(c.url, 'cancelled'))?.attempts).toMatchObject([{ outcome: 'cancelled' }]);
});

it('the same mediaId at A and at C at the same time is one picture, and one call', async () => {
  const { upstream } = trial;
  const calls = upstream.calls.length;
  const answers = await Promise.all([a, c].map(({ url }) => post(url, { mediaId: 'twice', prompt: 'a harbour' })));
  expect(answers.map(({ status }) => status).sort()).toEqual([200, 201]);
  expect(upstream.calls.length - calls).toBe(1);
});

it('a worker answers health and metrics, and nothing else', async () => {
  for (const path of ['/health', '/health/live', '/health/ready', '/metrics']) {
    expect((await fetch(`${b.url}${path}`)).status, path).toBe(200);
  }
  for (const path of [
    '/images',
    '/images/trace',
    '/media/trace.png',
    '/docs',
    '/openapi.json',
    '/v1/models',
    '/models',
    '/',
  ]) {
    const answer = await fetch(`${b.url}${path}`);
    expect([answer.status, await answer.json()], path).toMatchObject([404, { code: 'not_found' }]);
  }
  expect(await post(b.url, { prompt: 'a lighthouse' })).toMatchObject({ status: 404, body: { code: 'not_found' } });
});

it('each replica names itself in its log and its metrics', async () => {
  const names = [a, b, c].map(({ stdout }) => {
    const lines = stdout()
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line) as { readonly instance?: string });
    const [name] = new Set(lines.map(({ instance }) => instance));
    expect(lines.every(({ instance }) => instance === name)).toBe(true);
    return name;
  });
  expect(new Set(names).size).toBe(3);
  for (const [index, { url }] of [a, b, c].entries()) {
    const metrics = await (await fetch(`${url}/metrics`)).text();
    expect(metrics).toMatch(
      new RegExp(`^easel_instance_info\\{instance="${names[index]}",role="(api|worker)"\\} 1$`, 'm'),
    );
  }
});
