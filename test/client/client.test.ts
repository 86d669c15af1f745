import { createHash } from 'node:crypto';
import { afterAll, afterEach, beforeAll, describe, expect, test, vi } from 'vitest';
import { createEasel, type Easel, verifyWebhook } from '../../src/client/client.ts';
import { startEasel } from '../support/app/easel.ts';
import { errorOf } from '../support/client/easel-error.ts';
import { type ScriptedHttp, startScriptedHttp } from '../support/network/scripted-http.ts';
import { TEST_SECRET } from '../support/network/webhook-receiver.ts';
import { openAiError, picture } from '../support/openai/answers.ts';
import { texturedPicture } from '../support/pictures.ts';
import { TEST_KEYS } from '../support/test-keys.ts';
import { until } from '../support/until.ts';

// A real service with keys. Its clock skips waits, so that a call that waits is answered with 202 unless the picture is there at once.

let service: Awaited<ReturnType<typeof startEasel>>;
let hooks: ScriptedHttp;
let easel: Easel;

beforeAll(async () => {
  hooks = await startScriptedHttp();
  const env = { API_KEYS: TEST_KEYS, WEBHOOK_SECRET: TEST_SECRET, WEBHOOK_ALLOW_HOSTS: '127.0.0.1' };
  service = await startEasel({ env });
  easel = createEasel({ baseUrl: service.url, apiKey: 'boss-secret' });
});

afterAll(async () => {
  await service[Symbol.asyncDispose]();
  await hooks[Symbol.asyncDispose]();
});

afterEach(() => void vi.useRealTimers());

describe('pictures', () => {
  test('generate waits past a 202 for the end, and media gives the bytes of the record', async () => {
    const gate = service.upstream.gate();
    service.upstream.script(picture({ beforeHeaders: gate }));
    const made = easel.generate({ prompt: 'a lighthouse', mediaId: 'lighthouse', labels: ['sea'] });
    await gate.reached();
    gate.open();
    const record = await made;
    expect(record).toMatchObject({ mediaId: 'lighthouse', status: 'succeeded', labels: ['sea'] });
    const master = await easel.media(record.url ?? '');
    const bytes = new Uint8Array(await master.arrayBuffer());
    expect(createHash('sha256').update(bytes).digest('hex')).toBe(record.sha256);
  });

  test('generate waits with a key, too, that may make pictures and read none, and pays once', async () => {
    const gate = service.upstream.gate();
    service.upstream.script(picture({ beforeHeaders: gate }));
    const calls = service.upstream.calls.length;
    const maker = createEasel({ baseUrl: service.url, apiKey: 'maker-secret' });
    const made = maker.generate({ prompt: 'a lighthouse by night' });
    await gate.reached();
    await until(() => service.log.some((line) => line.includes('forbidden') && line.includes('/events')));
    gate.open();
    const { mediaId, status } = await made;
    expect(status).toBe('succeeded');
    expect(await errorOf(maker.wait(mediaId))).toMatchObject({ code: 'forbidden' });
    expect(service.upstream.calls).toHaveLength(calls + 1);
  });

  test('submit resolves before the picture is made; events go up to done, and wait gives the record', async () => {
    const gate = service.upstream.gate();
    service.upstream.script(picture({ beforeHeaders: gate }));
    const submitted = await easel.submit({ prompt: 'a harbour', mediaId: 'harbour' });
    expect(['queued', 'generating']).toContain(submitted.status);
    const events = Array.fromAsync(easel.events('harbour'));
    const waited = easel.wait('harbour');
    await gate.reached();
    gate.open();
    const types = (await events).map(({ type }) => type);
    expect(types.at(-1)).toBe('done');
    expect(types.slice(0, -1)).toContain('status');
    expect((await waited).status).toBe('succeeded');
    expect((await easel.wait('harbour')).status).toBe('succeeded');
  });

  test('files are sent as multipart, named by their parts, and the rest of the request with them', async () => {
    const bytes = await texturedPicture({ width: 64, height: 64, seed: '3' });
    const sha256 = createHash('sha256').update(bytes).digest('hex');
    const file = new Blob([new Uint8Array(bytes)], { type: 'image/png' });
    const request = { prompt: 'the same at night', inputs: [{ file }, { mediaId: 'lighthouse' }] };
    const record = await easel.generate(request);
    expect(record.request.inputs).toEqual([{ sha256 }, { mediaId: 'lighthouse' }]);
    const plan = await easel.preview({ ...request, size: '512x512' });
    expect(plan).toMatchObject({ providers: ['openai'], cost: { basis: 'estimate' } });
  });

  test('a failure raises the same error, whether the call brings it or the waiting', async () => {
    service.upstream.script(openAiError('moderation_blocked'), openAiError('moderation_blocked'));
    const byWaiting = await errorOf(easel.generate({ prompt: 'no', mediaId: 'refused' }));
    const expected = { code: 'prompt_rejected', status: 422, mediaId: 'refused' };
    expect(byWaiting).toMatchObject({
      ...expected,
      problem: { status: 422, title: 'The provider refused the prompt' },
    });
    // A replayed failure is the problem of the call itself.
    const byCall = await errorOf(easel.submit({ prompt: 'no', mediaId: 'refused' }));
    expect(byCall).toMatchObject({ ...expected, problem: { status: 422, title: 'The provider refused the prompt' } });
    expect(byCall.requestId).toBe(byCall.problem?.requestId);

    const again = await easel.retry('refused');
    expect(['queued', 'generating', 'failed']).toContain(again.status);
    expect(await errorOf(easel.wait('refused'))).toMatchObject(expected);
  });

  test('a cancelled picture ends what waits for it, and cancel gives its record', async () => {
    service.upstream.script(picture({ beforeHeaders: 'forever' }));
    const made = errorOf(easel.generate({ prompt: 'too late', mediaId: 'late' }));
    await until(() =>
      easel.get('late').then(
        ({ status }) => status === 'generating',
        () => false,
      ),
    );
    expect((await easel.cancel('late')).status).toBe('cancelled');
    expect(await made).toMatchObject({ code: 'cancelled', status: null, mediaId: 'late' });
  });

  test('an abort ends the waiting with AbortError and cancels nothing, and so does a timeout', async () => {
    const gate = service.upstream.gate();
    service.upstream.script(picture({ beforeHeaders: gate }));
    const abort = new AbortController();
    const made = easel.generate({ prompt: 'patient', mediaId: 'patient' }, { signal: abort.signal });
    await gate.reached();
    const reason = new Error('the user has left');
    abort.abort(reason);
    await expect(made).rejects.toMatchObject({ name: 'AbortError', cause: reason });
    await expect(easel.wait('patient', { timeoutMs: 50 })).rejects.toMatchObject({
      name: 'AbortError',
      cause: { name: 'TimeoutError' },
    });
    gate.open();
    expect((await easel.wait('patient')).status).toBe('succeeded');
    await expect(easel.get('patient', { signal: abort.signal })).rejects.toMatchObject({ name: 'AbortError' });
  });

  test('list goes on to the last page, with what the query says', async () => {
    for (const mediaId of ['p1', 'p2', 'p3', 'p4', 'p5']) {
      await easel.generate({ prompt: 'a page', mediaId, labels: ['pages', mediaId] });
    }
    const idsOf = async (query: Parameters<Easel['list']>[0]) =>
      (await Array.fromAsync(easel.list(query))).map(({ mediaId }) => mediaId);
    expect(await idsOf({ label: 'pages', limit: 2 })).toEqual(['p5', 'p4', 'p3', 'p2', 'p1']);
    expect(await idsOf({ label: ['p1', 'p4'], status: ['succeeded', 'failed'] })).toEqual(['p4', 'p1']);
    expect(await idsOf({ label: 'pages', q: 'nowhere to be found' })).toEqual([]);
  });

  test('patch, remove and the others are the routes of their names', async () => {
    expect(await easel.patch('p1', { labels: ['changed'], pinned: true })).toMatchObject({
      labels: ['changed'],
      pinned: true,
    });
    await easel.remove('p2');
    expect(await errorOf(easel.get('p2'))).toMatchObject({ code: 'not_found', status: 404 });
    expect((await easel.models()).map(({ id }) => id)).toContain('gpt-image-2');
    expect((await easel.presets()).map(({ name }) => name)).toContain('article-hero');
    const usage = await easel.usage({ from: '2026-11-01', to: '2026-11-02' });
    expect(usage.days.map(({ day }) => day)).toEqual(['2026-11-02', '2026-11-01']);
    expect(await easel.cleanup({ dryRun: true, label: 'nowhere', olderThan: '0s' })).toMatchObject({
      dryRun: true,
      deleted: 0,
    });
    expect(await easel.cleanup({ label: 'p5', olderThan: '0s' })).toMatchObject({ dryRun: false, deleted: 1 });
  });
});

describe('problems', () => {
  test('bear the code, the wrong fields and the id of the request', async () => {
    const error = await errorOf(easel.generate({ prompt: 'x', size: '1x1' }));
    expect(error).toMatchObject({ code: 'invalid_request', status: 400, errors: [{ path: 'size' }] });
    expect(error.message).toBe(error.problem?.detail);
    expect(error.requestId).toMatch(/./);
    expect(await errorOf(createEasel({ baseUrl: service.url, apiKey: 'wrong' }).models())).toMatchObject({
      code: 'unauthorized',
      status: 401,
    });
  });

  test('a mediaId that would lead elsewhere is not found, without a request', async () => {
    const before = service.log.length;
    for (const mediaId of ['', '.', '..']) {
      for (const call of [easel.get(mediaId), easel.remove(mediaId), easel.wait(mediaId), easel.cancel(mediaId)]) {
        expect(await errorOf(call)).toMatchObject({ code: 'not_found', status: 404 });
      }
    }
    expect(service.log).toHaveLength(before);
    expect(await errorOf(easel.get('../models?x#y'))).toMatchObject({ code: 'not_found', problem: { status: 404 } });
  });

  test('the same key and request pay once', async () => {
    const calls = service.upstream.calls.length;
    const options = { idempotencyKey: 'order-1' };
    const [first, second] = await Promise.all([
      easel.generate({ prompt: 'once' }, options),
      easel.generate({ prompt: 'once' }, options),
    ]);
    expect(second.mediaId).toBe(first.mediaId);
    expect(service.upstream.calls).toHaveLength(calls + 1);
    const error = await errorOf(easel.generate({ prompt: 'another' }, options));
    expect(error).toMatchObject({ code: 'idempotency_key_reused', status: 422 });
  });
});

test('a webhook of the service is taken, byte for byte as it came', async () => {
  hooks.script((response) => response.writeHead(204).end());
  const { mediaId } = await easel.generate({ prompt: 'tell me', webhookUrl: `${hooks.url}/hook` });
  await until(() => hooks.requests.length > 0);
  const { body, headers } = hooks.requests[0] ?? expect.unreachable();
  // The service's clock is ahead by what it has skipped.
  vi.useFakeTimers({ toFake: ['Date'], now: Number(headers['webhook-timestamp']) * 1000 });
  const message = await verifyWebhook(body, headers, TEST_SECRET);
  expect(message).toMatchObject({ type: 'image.succeeded', data: { mediaId, status: 'succeeded' } });
  const changed = body.toString().replace('succeeded', 'succeedet');
  await expect(easel.verifyWebhook(changed, headers, TEST_SECRET)).rejects.toThrow('no signature');
});
