import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest';
import { createEasel, type Easel, EaselError } from '../../src/client/client.ts';
import { errorOf } from '../support/client/easel-error.ts';
import {
  cutConnection,
  type HttpStep,
  jsonAnswer,
  problemAnswer,
  type ScriptedHttp,
  startScriptedHttp,
  textAnswer,
} from '../support/network/scripted-http.ts';

let server: ScriptedHttp;
let easel: Easel;

beforeAll(async () => {
  server = await startScriptedHttp();
  easel = createEasel({ baseUrl: `${server.url}/below/`, apiKey: 'secret' });
});
afterAll(() => server[Symbol.asyncDispose]());

const DONE = { mediaId: 'a', status: 'succeeded' };
const brokenAnswer: HttpStep = (response) => {
  response.writeHead(200, { 'content-type': 'application/json' }).write('{"items":', () => response.destroy());
};

const MODELS = { items: [{ id: 'gpt-image-2' }] };

/** The requests that `work` sends. */
async function sentBy(work: () => Promise<unknown>) {
  const before = server.requests.length;
  await work();
  return server.requests.slice(before);
}

describe('where requests go', () => {
  test('below the path of baseUrl, with the key as Authorization, through the fetch that is given', async () => {
    server.script(jsonAnswer(200, MODELS), jsonAnswer(200, DONE));
    const urls: string[] = [];
    const own = createEasel({
      baseUrl: new URL(`${server.url}/below`),
      apiKey: 'secret',
      fetch: (url, init) => {
        urls.push(url);
        return fetch(url, init);
      },
    });
    const requests = await sentBy(async () => [await own.models(), await own.get('a b/ü')]);
    expect(requests.map(({ url }) => url)).toEqual(['/below/models', '/below/images/a%20b%2F%C3%BC']);
    expect(requests.map(({ headers }) => headers.authorization)).toEqual(['Bearer secret', 'Bearer secret']);
    expect(urls).toHaveLength(2);
  });

  test('media takes paths and URLs; another origin gets no key, also after a redirect', async () => {
    await using other = await startScriptedHttp();
    const bytes = textAnswer(200, 'bytes', { 'content-type': 'image/png' });
    server.script(bytes, bytes, (response) => response.writeHead(302, { location: `${other.url}/signed` }).end());
    other.script(bytes, bytes);
    const here = await sentBy(async () => {
      for (const url of ['/media/a.png?v=1', `${server.url}/below/media/a.png`, '/media/b.png', `${other.url}/a.png`]) {
        expect(await (await easel.media(url)).text()).toBe('bytes');
      }
    });
    expect(here.map(({ url }) => url)).toEqual(['/below/media/a.png?v=1', '/below/media/a.png', '/below/media/b.png']);
    expect(other.requests.map(({ url, headers }) => [url, headers.authorization])).toEqual([
      ['/signed', undefined],
      ['/a.png', undefined],
    ]);
    await expect(easel.media('s3://bucket/a.png')).rejects.toThrow('media takes the url of a record');
  });

  test('options that cannot be right are refused at once, with what is wrong', () => {
    for (const [options, message] of [
      [{ baseUrl: 'easel.example' }, 'baseUrl must be a URL'],
      [{ baseUrl: 'ftp://easel.example' }, 'baseUrl must begin with http'],
      [{ baseUrl: 'https://user:word@easel.example' }, 'the key goes into apiKey'],
      [{ baseUrl: 'https://easel.example', apiKey: 'two\nlines' }, 'apiKey must be'],
      [{ baseUrl: 'https://easel.example', maxRetries: -1 }, 'maxRetries must be'],
    ] as const) {
      expect(() => createEasel(options)).toThrow(message);
    }
  });
});

describe('preferences', () => {
  test('generate asks for 50 s, submit and retry for an answer at once', async () => {
    server.script(jsonAnswer(201, DONE), jsonAnswer(202, DONE), jsonAnswer(202, DONE));
    const requests = await sentBy(async () => [
      await easel.generate({ prompt: 'x' }),
      await easel.submit({ prompt: 'x' }),
      await easel.retry('a'),
    ]);
    expect(requests.map(({ url, headers }) => [url, headers.prefer])).toEqual([
      ['/below/images', 'wait=50'],
      ['/below/images', 'respond-async'],
      ['/below/images/a/retry', 'respond-async'],
    ]);
  });
});

describe('retries', () => {
  test.each([
    ['a lost connection', cutConnection],
    ['an answer that breaks off', brokenAnswer],
    ['408', problemAnswer(408, 'invalid_request')],
    ['429 without Retry-After', problemAnswer(429, 'queue_full')],
    ['503 with Retry-After', problemAnswer(503, 'shutting_down', { 'retry-after': '0' })],
    ["504 of a proxy's, with Retry-After", textAnswer(504, '<h1>504</h1>', { 'retry-after': '0' })],
  ])('a reading is sent again after %s', async (_, fault) => {
    server.script(fault, jsonAnswer(200, MODELS));
    const requests = await sentBy(() => easel.models());
    expect(requests).toHaveLength(2);
  });

  test.each([
    ['500', problemAnswer(500, 'internal_error'), 'internal_error'],
    ['503 without Retry-After', problemAnswer(503, 'storage_unavailable'), 'storage_unavailable'],
    [
      'a Retry-After of more than a minute',
      problemAnswer(429, 'budget_exhausted', { 'retry-after': '61' }),
      'budget_exhausted',
    ],
    ["a proxy's page", textAnswer(502, '<h1>502 Bad Gateway</h1>'), 'unexpected_answer'],
    ['an answer that is no JSON', textAnswer(200, '<h1>Welcome</h1>'), 'unexpected_answer'],
  ])('nothing is sent again after %s', async (_, fault, code) => {
    server.script(fault);
    const requests = await sentBy(async () => expect(await errorOf(easel.models())).toMatchObject({ code }));
    expect(requests).toHaveLength(1);
  });

  test('Retry-After is waited out, in seconds or as a date', async () => {
    const waits: number[] = [];
    const setTimer = globalThis.setTimeout;
    vi.spyOn(globalThis, 'setTimeout').mockImplementation(((action: () => void, ms: number) => {
      // An answer has exactly a minute.
      const isWait = ms > 10_000 && ms !== 60_000;
      if (isWait) waits.push(ms);
      return setTimer(action, isWait ? 0 : ms);
    }) as typeof setTimeout);
    const date = new Date(Date.now() + 30_000).toUTCString();
    server.script(
      problemAnswer(429, 'rate_limited', { 'retry-after': '60' }),
      textAnswer(503, '<h1>503</h1>', { 'retry-after': date }),
      jsonAnswer(200, MODELS),
    );
    expect(await easel.models()).toHaveLength(1);
    expect(waits).toHaveLength(2);
    expect(waits[0]).toBeGreaterThanOrEqual(60_000);
    expect(waits[0]).toBeLessThan(61_000);
    // The date has whole seconds, and some have passed.
    expect(waits[1]).toBeGreaterThan(15_000);
    expect(waits[1]).toBeLessThan(31_000);
  });

  test('a call does not wait for a retry that its timeout forbids', async () => {
    server.script(problemAnswer(429, 'rate_limited', { 'retry-after': '30' }));
    const error = await errorOf(easel.models({ timeoutMs: 20_000 }));
    expect(error).toMatchObject({ code: 'rate_limited', status: 429, retryAfter: 30 });
  });

  test('every try of one request bears the same Idempotency-Key, and the next request another', async () => {
    const busy = problemAnswer(503, 'shutting_down', { 'retry-after': '0' });
    server.script(
      cutConnection,
      busy,
      jsonAnswer(201, DONE),
      jsonAnswer(201, DONE),
      cutConnection,
      jsonAnswer(202, DONE),
    );
    const requests = await sentBy(async () => [
      await easel.generate({ prompt: 'x', inputs: [{ file: new Blob(['a picture']) }] }),
      await easel.generate({ prompt: 'x' }),
      await easel.submit({ prompt: 'x' }, { idempotencyKey: 'mine' }),
    ]);
    const keys = requests.map(({ headers }) => headers['idempotency-key']);
    expect(keys).toEqual([keys[0], keys[0], keys[0], keys[3], 'mine', 'mine']);
    expect(keys[0]).toMatch(/^[0-9a-f]{32}$/);
    expect(keys[3]).not.toBe(keys[0]);
    for (const { body } of requests.slice(0, 3)) expect(body.toString()).toContain('a picture');
  });

  test('retry and cleanup are never sent twice, what does the same twice is', async () => {
    server.script(cutConnection);
    const once = await sentBy(async () =>
      expect(await errorOf(easel.retry('a'))).toMatchObject({ code: 'unreachable' }),
    );
    expect(once).toHaveLength(1);
    server.script(cutConnection);
    const swept = await sentBy(async () =>
      expect(await errorOf(easel.cleanup())).toMatchObject({ code: 'unreachable' }),
    );
    expect(swept).toHaveLength(1);
    server.script(cutConnection, jsonAnswer(200, DONE), cutConnection, jsonAnswer(200, DONE));
    const twice = await sentBy(async () => [await easel.cancel('a'), await easel.patch('a', { labels: [] })]);
    expect(twice).toHaveLength(4);
  });

  test('a picture that is gone when it is deleted again was deleted', async () => {
    server.script(cutConnection, problemAnswer(404, 'not_found'), problemAnswer(404, 'not_found'));
    await easel.remove('a');
    expect(await errorOf(easel.remove('a'))).toMatchObject({ code: 'not_found' });
  });

  test('maxRetries says how often', async () => {
    server.script(cutConnection, cutConnection, cutConnection, cutConnection);
    const requests = await sentBy(async () => {
      expect(await errorOf(easel.models())).toMatchObject({ code: 'unreachable', status: null, problem: null });
      expect(await errorOf(createEasel({ baseUrl: server.url, maxRetries: 0 }).models())).toBeInstanceOf(EaselError);
    });
    expect(requests).toHaveLength(4);
  });
});
