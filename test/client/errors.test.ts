import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterAll, beforeAll, expect, test, vi } from 'vitest';
import { createEasel, type Easel } from '../../src/client/client.ts';
import { errorOf } from '../support/client/easel-error.ts';
import { refusingPort } from '../support/network/refusing-port.ts';
import {
  noAnswer,
  problemAnswer,
  type ScriptedHttp,
  startScriptedHttp,
  textAnswer,
} from '../support/network/scripted-http.ts';

let server: ScriptedHttp;
let easel: Easel;

beforeAll(async () => {
  server = await startScriptedHttp();
  easel = createEasel({ baseUrl: server.url });
});
afterAll(() => server[Symbol.asyncDispose]());

test('bear what the problem and the headers say', async () => {
  server.script(problemAnswer(429, 'queue_full', { 'retry-after': '120' }));
  expect(await errorOf(easel.submit({ prompt: 'x' }))).toMatchObject({
    name: 'EaselError',
    message: 'it is queue_full',
    code: 'queue_full',
    status: 429,
    requestId: 'r-1',
    retryAfter: 120,
    problem: { code: 'queue_full', title: 'queue_full' },
  });
  server.script(textAnswer(502, '<h1>502 Bad\n Gateway</h1>', { 'x-request-id': 'r-2' }));
  const error = await errorOf(easel.submit({ prompt: 'x' }));
  expect(error).toMatchObject({ code: 'unexpected_answer', status: 502, requestId: 'r-2', problem: null });
  expect(error.message).toContain('<h1>502 Bad Gateway</h1>');
});

test('an unreachable service is named, with the reason', async () => {
  await using refusing = await refusingPort();
  const { port } = refusing;
  const error = await errorOf(createEasel({ baseUrl: `http://127.0.0.1:${port}`, maxRetries: 0 }).models());
  expect(error.code).toBe('unreachable');
  expect(error.message).toContain(`http://127.0.0.1:${port} could not be reached: `);
  expect(error.message).toContain('ECONNREFUSED');
});

test('an abort and a timeout reject with AbortError, while an answer is waited for and between two tries', async () => {
  /** Sends a request, and aborts it once it has come. */
  const abortWhenThere = async (reason?: Error) => {
    const there = server.requests.length + 1;
    const abort = new AbortController();
    const models = easel.models({ signal: abort.signal });
    await expect.poll(() => server.requests.length).toBe(there);
    abort.abort(reason);
    return await models;
  };
  server.script(noAnswer);
  await expect(abortWhenThere()).rejects.toMatchObject({ name: 'AbortError' });
  server.script(problemAnswer(429, 'rate_limited', { 'retry-after': '60' }));
  const cause = new Error('enough');
  await expect(abortWhenThere(cause)).rejects.toMatchObject({ name: 'AbortError', message: 'enough', cause });
  server.script(noAnswer);
  await expect(easel.models({ timeoutMs: 20 })).rejects.toMatchObject({
    name: 'AbortError',
    message: 'the call took longer than 20 ms',
    cause: { name: 'TimeoutError' },
  });
  await expect(easel.models({ timeoutMs: Number.NaN })).rejects.toThrow('timeoutMs must be');
});

test('an answer has a minute, one that waits for a picture so much longer, and one with files the time of their upload', async () => {
  const setTimer = globalThis.setTimeout;
  const limits: number[] = [];
  vi.spyOn(globalThis, 'setTimeout').mockImplementation(((action: () => void, ms: number) => {
    if (ms >= 60_000) limits.push(ms);
    return setTimer(action, ms >= 60_000 ? 0 : ms);
  }) as typeof setTimeout);
  const silence = async (_: string, { signal }: RequestInit) =>
    await new Promise<Response>((_, reject) => signal?.addEventListener('abort', () => reject(signal.reason)));
  const own = createEasel({ baseUrl: server.url, maxRetries: 0, fetch: silence });
  const file = new Blob([new Uint8Array(640_000)]);
  for (const call of [own.models(), own.generate({ prompt: 'x' }), own.submit({ prompt: 'x', inputs: [{ file }] })]) {
    const error = await errorOf(call);
    expect(error.code).toBe('unreachable');
    expect(error.message).toContain('no answer within');
  }
  expect(limits).toEqual([60_000, 110_000, 70_000]);
});

test('a picture is broken off by the signal of its call, also after its head has come', async () => {
  const open = createServer((_, response) => response.writeHead(200, { 'content-type': 'image/png' }).write('some'));
  await new Promise<void>((resolve) => open.listen(0, '127.0.0.1', resolve));
  const abort = new AbortController();
  const { port } = open.address() as AddressInfo;
  const answer = await createEasel({ baseUrl: `http://127.0.0.1:${port}` }).media('/a.png', { signal: abort.signal });
  const bytes = answer.arrayBuffer();
  abort.abort();
  await expect(bytes).rejects.toMatchObject({ name: 'AbortError' });
  open.closeAllConnections();
  open.close();
});
