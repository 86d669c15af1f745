import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest';
import { createEasel, type Easel, type ImageEvent } from '../../src/client/client.ts';
import {
  cutConnection,
  eventsAnswer,
  jsonAnswer,
  problemAnswer,
  type ScriptedHttp,
  startScriptedHttp,
  textAnswer,
} from '../support/network/scripted-http.ts';

// `retry: 1` in the streams: a lost one is opened again at once.

let server: ScriptedHttp;
let easel: Easel;

beforeAll(async () => {
  server = await startScriptedHttp();
  easel = createEasel({ baseUrl: server.url });
});
afterAll(() => server[Symbol.asyncDispose]());

const running = { mediaId: 'a', status: 'generating' };
const done = { mediaId: 'a', status: 'succeeded' };

const frame = (id: string, type: ImageEvent['type'], data: unknown) =>
  `id: ${id}\nevent: ${type}\ndata: ${JSON.stringify(data)}\n\n`;
const OPENING = 'retry: 1\n\n';

/** What was asked for since the test began: path, and the last event that it names. */
function asked(from: number) {
  return server.requests.slice(from).map(({ url, headers }) => [url, headers['last-event-id']]);
}

describe('events', () => {
  test('go on after the last one that came, when a stream is cut, ends or is refused for a while, up to done', async () => {
    const from = server.requests.length;
    server.script(
      eventsAnswer([OPENING, frame('1', 'status', running)], { cut: true }),
      cutConnection,
      textAnswer(502, '<h1>502 Bad Gateway</h1>'),
      problemAnswer(503, 'shutting_down', { 'retry-after': '0' }),
      eventsAnswer([OPENING, frame('1.0', 'partial', { mediaId: 'a', index: 0, base64: 'eA==' }), 'id: 2\nevent: sta']),
      eventsAnswer([OPENING, frame('2', 'status', done), frame('2.done', 'done', done), frame('3', 'status', running)]),
    );
    const events = await Array.fromAsync(easel.events('a'));
    expect(events).toEqual([
      { id: '1', type: 'status', data: running },
      { id: '1.0', type: 'partial', data: { mediaId: 'a', index: 0, base64: 'eA==' } },
      { id: '2', type: 'status', data: done },
      { id: '2.done', type: 'done', data: done },
    ]);
    const path = '/images/a/events';
    expect(asked(from)).toEqual([undefined, '1', '1', '1', '1', '1.0'].map((id) => [path, id]));
  });

  test('begin after lastEventId, and there are none where that is the last', async () => {
    const from = server.requests.length;
    server.script((response) => response.writeHead(204).end());
    expect(await Array.fromAsync(easel.events('a', { lastEventId: '2.done' }))).toEqual([]);
    expect(asked(from)).toEqual([['/images/a/events', '2.done']]);
  });

  test('end with deleted, and with it where the picture was deleted while no stream was open', async () => {
    server.script(eventsAnswer([OPENING, frame('deleted', 'deleted', { mediaId: 'a' })]));
    expect((await Array.fromAsync(easel.events('a'))).map(({ type }) => type)).toEqual(['deleted']);
    server.script(eventsAnswer([OPENING, frame('1', 'status', running)]), problemAnswer(404, 'not_found'));
    expect((await Array.fromAsync(easel.events('a'))).map(({ type }) => type)).toEqual(['status', 'deleted']);
  });

  test('raise a problem of the first request, and one that is not about the connection', async () => {
    server.script(problemAnswer(404, 'not_found'));
    await expect(Array.fromAsync(easel.events('a'))).rejects.toMatchObject({ code: 'not_found' });
    server.script(eventsAnswer([OPENING, frame('1', 'status', running)]), problemAnswer(401, 'unauthorized'));
    await expect(Array.fromAsync(easel.events('a'))).rejects.toMatchObject({ code: 'unauthorized' });
    server.script(textAnswer(200, '<h1>Welcome</h1>'));
    await expect(Array.fromAsync(easel.events('a'))).rejects.toMatchObject({ code: 'unexpected_answer', status: 200 });
  });

  test('a service that stays away is unreachable: with maxRetries 0, after one try to come back', async () => {
    const from = server.requests.length;
    server.script(eventsAnswer([OPENING, frame('1', 'status', running)], { cut: true }), cutConnection);
    const events = createEasel({ baseUrl: server.url, maxRetries: 0 }).events('a');
    await expect(Array.fromAsync(events)).rejects.toMatchObject({ code: 'unreachable' });
    expect(asked(from)).toHaveLength(2);
  });

  test('are let go when the caller has seen enough, and an abort ends them with AbortError', async () => {
    let closed = 0;
    const open = eventsAnswer([OPENING, frame('1', 'status', running)]);
    server.script(
      (response, request) => {
        response.once('close', () => closed++);
        response.end = () => response;
        open(response, request);
      },
      (response, request) => {
        response.once('close', () => closed++);
        response.end = () => response;
        open(response, request);
      },
    );
    for await (const event of easel.events('a')) {
      expect(event.id).toBe('1');
      break;
    }
    await expect.poll(() => closed).toBe(1);
    const abort = new AbortController();
    const events = easel.events('a', { signal: abort.signal });
    await events.next();
    const next = events.next();
    abort.abort();
    await expect(next).rejects.toMatchObject({ name: 'AbortError' });
    await expect.poll(() => closed).toBe(2);
  });
});

describe('a wait', () => {
  test('survives a service that is away after the 202, and reads the record where streams bring nothing', async () => {
    const from = server.requests.length;
    server.script(
      jsonAnswer(202, running),
      cutConnection,
      textAnswer(503, '<h1>503</h1>'),
      // A record, a stream that a proxy has kept to itself, and the record once more.
      jsonAnswer(200, running),
      eventsAnswer([OPENING]),
      jsonAnswer(200, done),
    );
    expect(await easel.generate({ prompt: 'x' })).toEqual(done);
    const [, ...rest] = asked(from);
    expect(rest.map(([url]) => url)).toEqual([
      '/images/a/events',
      '/images/a',
      '/images/a',
      '/images/a/events',
      '/images/a',
    ]);
  });

  test('survives a service that is lost before its answer came, also behind a proxy, and not one that was never there', async () => {
    const setTimer = globalThis.setTimeout;
    // The gaps alone, which take no arguments: the timers of fetch do.
    vi.spyOn(globalThis, 'setTimeout').mockImplementation(((action: () => void, ms: number, ...args: []) =>
      setTimer(action, ms <= 8000 && args.length === 0 ? 0 : ms, ...args)) as typeof setTimeout);
    const from = server.requests.length;
    const page = textAnswer(502, '<h1>502 Bad Gateway</h1>');
    server.script(cutConnection, cutConnection, cutConnection, cutConnection, page, jsonAnswer(201, done));
    expect(await easel.generate({ prompt: 'x' })).toEqual(done);
    const keys = server.requests.slice(from).map(({ headers }) => headers['idempotency-key']);
    expect([keys.length, new Set(keys).size]).toEqual([6, 1]);

    server.script(cutConnection, problemAnswer(502, 'provider_failed'));
    await expect(easel.generate({ prompt: 'x' })).rejects.toMatchObject({ code: 'provider_failed' });
    server.script(page);
    await expect(easel.generate({ prompt: 'x' })).rejects.toMatchObject({ code: 'unexpected_answer', status: 502 });
    const nowhere = createEasel({ baseUrl: 'http://127.0.0.1:1' }).generate({ prompt: 'x' });
    await expect(nowhere).rejects.toMatchObject({ code: 'unreachable' });
    vi.restoreAllMocks();
  });

  test('raises the failure of the record, and not_found where the picture is deleted', async () => {
    const error = { code: 'provider_failed', detail: 'the model API answered 500' };
    server.script(eventsAnswer([OPENING, frame('1.done', 'done', { mediaId: 'a', status: 'failed', error })]));
    await expect(easel.wait('a')).rejects.toMatchObject({
      code: 'provider_failed',
      message: 'the model API answered 500',
      status: 502,
      mediaId: 'a',
      problem: { type: 'urn:easel:problem:provider_failed', status: 502, instance: '/images/a', mediaId: 'a' },
    });
    server.script(eventsAnswer([OPENING, frame('deleted', 'deleted', { mediaId: 'a' })]));
    await expect(easel.wait('a')).rejects.toMatchObject({ code: 'not_found', mediaId: 'a' });
  });
});

describe('a stream', () => {
  test('that is silent for 40 s is lost, and another is opened', async () => {
    // Timers of that length fire at once.
    const setTimer = globalThis.setTimeout;
    vi.spyOn(globalThis, 'setTimeout').mockImplementation(((action: () => void, ms: number) =>
      setTimer(action, ms === 40_000 ? 0 : ms)) as typeof setTimeout);
    const encoder = new TextEncoder();
    const streams = [`${OPENING}${frame('1', 'status', running)}`, frame('1.done', 'done', done)];
    const lastIds: unknown[] = [];
    const fetchStream = async (_: string, { signal, headers }: RequestInit) => {
      lastIds.push(new Headers(headers).get('last-event-id'));
      const body = new ReadableStream({
        start(controller) {
          controller.enqueue(encoder.encode(streams.shift()));
          signal?.addEventListener('abort', () => controller.error(signal.reason));
        },
      });
      return new Response(body, { headers: { 'content-type': 'text/event-stream' } });
    };
    const events = await Array.fromAsync(createEasel({ baseUrl: server.url, fetch: fetchStream }).events('a'));
    expect(events.map(({ type }) => type)).toEqual(['status', 'done']);
    expect(lastIds).toEqual([null, '1']);
  });

  test('may come in any pieces, with any ends of lines', async () => {
    const first = frame('1', 'status', { ...running, note: 'zoë 🎨' }).replaceAll('\n', '\r\n');
    const text = `\uFEFF: a comment\r\n${OPENING}${first}`;
    const whole = `${text}id: 2\revent: status\rdata: {"a":\rdata:1}\r\revent: later\ndata: {}\n\n${frame('3', 'done', done)}`;
    const bytes = Buffer.from(whole);
    for (const size of [1, 2, 3, 7, bytes.length]) {
      const pieces = Array.from({ length: Math.ceil(bytes.length / size) }, (_, index) =>
        bytes.subarray(index * size, (index + 1) * size),
      );
      const fetchPieces = async () =>
        new Response(new Blob(pieces.map((piece) => new Uint8Array(piece))).stream(), {
          headers: { 'content-type': 'text/event-stream' },
        });
      const events = await Array.fromAsync(createEasel({ baseUrl: server.url, fetch: fetchPieces }).events('a'));
      expect(events).toEqual([
        { id: '1', type: 'status', data: { ...running, note: 'zoë 🎨' } },
        { id: '2', type: 'status', data: { a: 1 } },
        { id: '3', type: 'done', data: done },
      ]);
    }
  });
});
