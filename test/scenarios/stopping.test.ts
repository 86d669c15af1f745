import { rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import sharp from 'sharp';
import { describe, expect, it } from 'vitest';
import type { RunningService } from '../support/app/process.ts';
import { openEventStream } from '../support/network/event-stream.ts';
import { openAiError, picture } from '../support/openai/answers.ts';
import { startOpenAiServer } from '../support/openai/server.ts';
import { temporaryFolder } from '../support/temporary-folder.ts';
import { until } from '../support/until.ts';
import { readDatabase } from '../torture/audit.ts';
import { type LifeOptions, post, startLife } from '../torture/life.ts';

/** The attempt of a call that was cut off. */
const UNKNOWN = { outcome: 'unknown', durationMs: null };

/**
 * A picture that was paid for and kept. A stop gives its finishing a few seconds, which are too few on a busy machine: then the next start
 * finishes it.
 */
const KEPT = { status: expect.stringMatching(/^(succeeded|processing)$/), attempts: [{ outcome: 'ok' }] };

const ASYNC = { prefer: 'respond-async' };

/** A service in a folder of its own, and its model API. */
async function setUp(options: Partial<LifeOptions> = {}) {
  await using parts = new AsyncDisposableStack();
  const folder = parts.use(await temporaryFolder());
  const upstream = parts.use(await startOpenAiServer());
  const service = parts.use(await startLife({ folder: folder.path, upstream, ...options }));
  const owned = parts.move();
  const start = (more: Partial<LifeOptions> = {}) => startLife({ folder: folder.path, upstream, ...more });
  /** Has a picture called for, whose answer waits for the gate. */
  const callOut = async (mediaId: string) => {
    const gate = upstream.gate();
    upstream.script(picture({ beforeHeaders: gate }));
    await post(service.url, { mediaId, prompt: mediaId }, ASYNC);
    await gate.reached();
    return gate;
  };
  const images = () => new Map(readDatabase(folder.path).images.map((image) => [image.mediaId, image]));
  return {
    folder: folder.path,
    upstream,
    service,
    start,
    callOut,
    images,
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  };
}

const statusOf = async (service: RunningService, path: string, method = 'GET') =>
  (await fetch(service.url + path, { method })).status;

const logged = (service: RunningService, text: string) => until(async () => service.stdout().includes(text));

/** Sends the signal and resolves when the service has taken it. */
async function order(service: RunningService, signal: NodeJS.Signals = 'SIGTERM'): Promise<void> {
  service.child.kill(signal);
  await logged(service, 'stopping');
}

/** The processor time that the service has taken. */
async function cpuSeconds({ url }: RunningService): Promise<number> {
  const metrics = await (await fetch(`${url}/metrics`)).text();
  return Number(/^process_cpu_seconds_total (\S+)/m.exec(metrics)?.[1]);
}

/** The seconds that `event` takes. */
async function secondsTo(event: Promise<unknown>): Promise<number> {
  const began = performance.now();
  await event;
  return (performance.now() - began) / 1000;
}

describe.concurrent('a stop', () => {
  it('waits for a paid call, and until then answers everything but new work, on new connections too', async () => {
    await using life = await setUp({ env: { CONCURRENCY: '1' } });
    const { service, callOut, upstream } = life;
    const { body: made } = await post(service.url, { mediaId: 'made', prompt: 'made' });
    const gate = await callOut('called');
    await post(service.url, { mediaId: 'waiting', prompt: 'waiting' }, ASYNC);
    const synchronous = post(service.url, { mediaId: 'called', prompt: 'called' });
    await using before = await openEventStream(`${service.url}/images/called/events`);
    await before.next();
    await order(service);
    expect((await synchronous).status).toBe(202);
    await logged(service, 'waiting for 1 paid call to end, at most 315 s;');
    expect(service.stdout()).toContain('a second signal ends at once');

    const paths = ['/health', '/health/live', '/images', '/images/called', made.url ?? '', '/usage', '/metrics'];
    for (const path of paths) expect([path, await statusOf(service, path)]).toEqual([path, 200]);
    expect(await statusOf(service, '/health/ready')).toBe(503);
    const refused = await post(service.url, { mediaId: 'new', prompt: 'new' });
    expect([refused.status, refused.body.code]).toEqual([503, 'shutting_down']);
    expect(Number(refused.headers.get('retry-after'))).toBeGreaterThan(0);
    await using after = await openEventStream(`${service.url}/images/waiting/events`);
    expect(await after.next()).toMatchObject({ event: 'status', data: { status: 'queued' } });

    gate.open();
    const last = (await before.rest()).at(-1);
    expect(await after.rest()).toEqual([]);
    expect(await service.exited).toBe(0);
    expect(service.stdout()).toContain('no paid call is running; the process ends');
    const called = life.images().get('called');
    expect(called).toMatchObject(KEPT);
    if (called?.status === 'succeeded') expect(last).toMatchObject({ event: 'done', data: { status: 'succeeded' } });
    expect(life.images().get('waiting')).toMatchObject({ status: 'queued', attempts: [] });
    expect(life.images().has('new')).toBe(false);
    expect(upstream.calls).toHaveLength(2);

    await using second = await life.start();
    expect((await post(second.url, { mediaId: 'waiting', prompt: 'waiting' })).body.status).toBe('succeeded');
  });

  it('cuts off no call before SHUTDOWN_GRACE_SECONDS', async () => {
    await using life = await setUp({ env: { SHUTDOWN_GRACE_SECONDS: '300' } });
    const gate = await life.callOut('x');
    await order(life.service);
    // Longer than finishing may take.
    await delay(6000);
    gate.open();
    expect(await life.service.exited).toBe(0);
    expect(life.images().get('x')).toMatchObject(KEPT);
  });

  it('cuts off a call that is still running after SHUTDOWN_GRACE_SECONDS, and leaves it as unknown', async () => {
    await using life = await setUp({ env: { SHUTDOWN_GRACE_SECONDS: '2' } });
    await life.callOut('x');
    life.service.child.kill('SIGTERM');
    expect(await secondsTo(life.service.exited)).toBeGreaterThan(1.9);
    expect(await life.service.exited).toBe(0);
    expect(life.service.stdout()).toContain('a paid call was cut off');
    expect(life.images().get('x')).toMatchObject({ status: 'generating', attempts: [UNKNOWN] });
  });

  it('ends at once when no call is out, and leaves what waits for a retry or in the queue', async () => {
    await using life = await setUp({ env: { CONCURRENCY: '1' } });
    const { service, upstream } = life;
    upstream.script(openAiError('rate_limit_exceeded', { headers: { 'retry-after': '500' } }));
    for (const mediaId of ['retried', 'queued']) await post(service.url, { mediaId, prompt: mediaId }, ASYNC);
    await logged(service, 'call failed, trying again');
    service.child.kill('SIGTERM');
    // Long before the retry, and before the end of the grace.
    expect(await service.exited).toBe(0);
    expect([...life.images().values()].map(({ status }) => status).toSorted()).toEqual(['generating', 'queued']);
    expect(upstream.calls).toHaveLength(1);
  });

  it.each([
    ['cancelling', 'POST', '/images/x/cancel', 200],
    ['deleting', 'DELETE', '/images/x', 204],
  ])('ends sooner by %s the picture that it waits for', async (_, method, path, status) => {
    await using life = await setUp();
    await life.callOut('x');
    await order(life.service);
    expect(await statusOf(life.service, path, method)).toBe(status);
    expect(await life.service.exited).toBe(0);
    expect(life.images().get('x')?.status).toBe(status === 200 ? 'cancelled' : undefined);
  });

  it('does not wait for the encoding of a slow rendition', async () => {
    await using life = await setUp({ env: { IMAGE_SIZE: '1024x1024', IMAGE_RENDITIONS: '4096x4096.avif' } });
    const { service, upstream } = life;
    // Noise of this size takes AVIF more than 6 s on any machine of 2026.
    const noise = { type: 'gaussian', mean: 128, sigma: 60 } as const;
    const create = { width: 1024, height: 1024, channels: 3, background: 'black', noise } as const;
    upstream.script(picture({ content: () => sharp({ create }).png().toBuffer() }));
    expect((await post(service.url, { mediaId: 'x', prompt: 'x' })).status).toBe(201);
    const idle = await cpuSeconds(service);
    // Nothing but the encoding takes so much.
    const secondsPerCpuSecond = await secondsTo(until(async () => (await cpuSeconds(service)) > idle + 1));
    service.child.kill('SIGTERM');
    // The end of the encoding is further away, however busy the machine is.
    expect(await secondsTo(service.exited)).toBeLessThan(5 * Math.max(1, secondsPerCpuSecond));
    expect(await service.exited).toBe(0);
    expect(life.images().get('x')).toMatchObject({ status: 'succeeded', pending: [{ format: 'avif' }] });
  });

  it('gives the finishing of a picture a few seconds, and the next start finishes it without another call', async () => {
    await using orders = await temporaryFolder();
    const order = join(orders.path, 'fsync-fails');
    const preload = new URL('../support/failing-fsync.ts', import.meta.url);
    await using life = await setUp({ preload, env: { FSYNC_FAILS: order } });
    // The names of published files cannot be made durable.
    writeFileSync(order, '/media');
    await post(life.service.url, { mediaId: 'x', prompt: 'x' }, ASYNC);
    await logged(life.service, 'storage failed, retrying');
    life.service.child.kill('SIGTERM');
    expect(await secondsTo(life.service.exited)).toBeGreaterThan(4);
    expect(await life.service.exited).toBe(0);
    expect(life.images().get('x')).toMatchObject({ status: 'processing', attempts: [{ outcome: 'ok' }] });

    rmSync(order);
    await using second = await life.start();
    expect((await post(second.url, { mediaId: 'x', prompt: 'x' })).body.status).toBe('succeeded');
    expect(life.upstream.calls).toHaveLength(1);
  });
});

describe.concurrent('a second signal', () => {
  it('within a second is the same order; later it ends the process at once, with calls left as unknown', async () => {
    await using life = await setUp();
    const { service } = life;
    await life.callOut('x');
    // Two signals that the process takes at the same time.
    for (const signal of ['SIGSTOP', 'SIGINT', 'SIGTERM', 'SIGCONT'] as const) service.child.kill(signal);
    await logged(service, 'waiting for 1 paid call');
    await delay(1100);
    expect(await statusOf(service, '/health/live')).toBe(200);
    expect(service.stdout()).not.toContain('ending at once');
    service.child.kill('SIGINT');
    expect(await service.exited).toBe(0);
    expect(service.stdout()).toContain('ending at once');
    expect(life.images().get('x')?.attempts).toMatchObject([UNKNOWN]);
  });
});

describe.concurrent('an unexpected error', () => {
  const preload = new URL('../support/throw-on-signal.ts', import.meta.url);

  it('stops the process with 1 when the call that is out has ended', async () => {
    await using life = await setUp({ preload });
    const gate = await life.callOut('x');
    await order(life.service, 'SIGWINCH');
    await logged(life.service, 'waiting for 1 paid call');
    gate.open();
    expect(await life.service.exited).toBe(1);
    expect(life.images().get('x')).toMatchObject(KEPT);
  });

  it('stops it with 1 at the end of SHUTDOWN_GRACE_SECONDS at the latest', async () => {
    await using life = await setUp({ preload, env: { SHUTDOWN_GRACE_SECONDS: '1' } });
    await life.callOut('x');
    life.service.child.kill('SIGWINCH');
    expect(await secondsTo(life.service.exited)).toBeGreaterThan(0.9);
    expect(await life.service.exited).toBe(1);
    expect(life.images().get('x')?.attempts).toMatchObject([UNKNOWN]);
  });
});
