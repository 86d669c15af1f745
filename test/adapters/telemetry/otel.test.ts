import { once } from 'node:events';
import { readFile } from 'node:fs/promises';
import { type IncomingMessage, request } from 'node:http';
import { join } from 'node:path';
import * as names from '@opentelemetry/semantic-conventions/incubating';
import { pino } from 'pino';
import { describe, expect, it, onTestFinished, vi } from 'vitest';
import { createOtelTracing } from '../../../src/adapters/telemetry/otel.ts';
import { createSecretMask } from '../../../src/security/secret-mask.ts';
import { startEasel } from '../../support/app/easel.ts';
import { startService } from '../../support/app/process.ts';
import { type ReceivedSpan, startOtlpReceiver } from '../../support/network/otlp-receiver.ts';
import { openAiError, picture } from '../../support/openai/answers.ts';
import { temporaryFolder } from '../../support/temporary-folder.ts';
import { createManualClock } from '../../support/test-clock.ts';
import { eventually, until } from '../../support/until.ts';

const TRACE = '0af7651916cd43dd8448eb211c80319c';
const CALLER = 'b7ad6b7169203331';
const TRACEPARENT = `00-${TRACE}-${CALLER}-01`;

/** The discard port, which has no listener. */
const UNREACHABLE = 'http://127.0.0.1:9';
/** Number of spans at which the SDK exports a batch at once. */
const BATCH = 512;

const ERROR = 2;
const traceparentOf = ({ traceId, spanId }: ReceivedSpan) => `00-${traceId}-${spanId}-01`;
const tracedBy = (endpoint: string) => ({ env: { OTEL_EXPORTER_OTLP_ENDPOINT: endpoint } });
const lines = (log: readonly string[]) => log.map((line) => JSON.parse(line) as Record<string, unknown>);

describe('the trace of a picture', () => {
  it("continues the caller's trace, from the request over every attempt to the publication", async () => {
    await using receiver = await startOtlpReceiver();
    const calls: (string | undefined)[] = [];
    let log: readonly string[] = [];
    {
      await using easel = await startEasel(tracedBy(receiver.endpoint));
      easel.upstream.script(openAiError('server_error'), picture());
      const { status } = await easel.post({ mediaId: 'm', prompt: 'a lighthouse' }, { traceparent: TRACEPARENT });
      expect(status).toBe(201);
      calls.push(...easel.upstream.calls.map(({ headers }) => headers.traceparent as string | undefined));
      log = easel.log;
    }

    const { spans } = receiver;
    expect(new Set(spans.map(({ traceId, service }) => `${service} ${traceId}`))).toEqual(new Set([`easel ${TRACE}`]));
    const post = receiver.span('POST /images');
    const job = receiver.span('job');
    const finish = receiver.span('finish');
    const attempt = (outcome: string) => {
      const [span] = spans.filter(({ attributes }) => attributes['easel.attempt.outcome'] === outcome);
      if (span) return span;
      throw new Error(`no attempt was ${outcome}`);
    };
    const [failed, ok] = [attempt('failed'), attempt('ok')];
    expect(spans.map(({ name, kind, parentSpanId }) => [name, kind, parentSpanId]).sort()).toEqual([
      ['POST /images', 'server', CALLER],
      ['check', 'internal', finish.spanId],
      ['finish', 'internal', job.spanId],
      ['generate_content gpt-image-2', 'client', job.spanId],
      ['generate_content gpt-image-2', 'client', job.spanId],
      ['job', 'consumer', post.spanId],
      ['publish', 'internal', job.spanId],
      ['store', 'internal', job.spanId],
    ]);
    expect(spans.filter(({ status }) => status.code === ERROR)).toEqual([failed]);

    expect(calls).toEqual([failed, ok].map(traceparentOf));
    expect(failed.attributes).toMatchObject({
      [names.ATTR_ERROR_TYPE]: 'overloaded',
      [names.ATTR_HTTP_RESPONSE_STATUS_CODE]: 500,
    });
    expect(ok.attributes).toMatchObject({
      [names.ATTR_GEN_AI_OPERATION_NAME]: names.GEN_AI_OPERATION_NAME_VALUE_GENERATE_CONTENT,
      [names.ATTR_GEN_AI_PROVIDER_NAME]: names.GEN_AI_PROVIDER_NAME_VALUE_OPENAI,
      [names.ATTR_GEN_AI_REQUEST_MODEL]: 'gpt-image-2',
      [names.ATTR_GEN_AI_OUTPUT_TYPE]: names.GEN_AI_OUTPUT_TYPE_VALUE_IMAGE,
      [names.ATTR_GEN_AI_USAGE_INPUT_TOKENS]: expect.any(Number),
      [names.ATTR_GEN_AI_USAGE_CACHE_READ_INPUT_TOKENS]: 0,
      [names.ATTR_GEN_AI_USAGE_OUTPUT_TOKENS]: expect.any(Number),
      [names.ATTR_HTTP_RESPONSE_STATUS_CODE]: 200,
    });
    expect(job.attributes).toMatchObject({ 'easel.media_id': 'm', 'easel.status': 'succeeded', 'easel.attempts': 2 });
    expect(post.attributes).toMatchObject({
      [names.ATTR_HTTP_REQUEST_METHOD]: 'POST',
      [names.ATTR_HTTP_ROUTE]: '/images',
      [names.ATTR_URL_PATH]: '/images',
      [names.ATTR_HTTP_RESPONSE_STATUS_CODE]: 201,
    });

    const logged = (msg: string) => lines(log).find((line) => line.msg === msg);
    for (const [msg, span] of [
      ['image accepted', post],
      ['request', post],
      ['call failed, trying again', job],
      ['image succeeded', job],
    ] as const) {
      expect(logged(msg), msg).toMatchObject({ trace_id: TRACE, span_id: span.spanId, trace_flags: '01' });
    }
    expect(JSON.stringify(spans)).not.toContain('lighthouse');
  });

  it('continues in the job after a restart', async () => {
    await using receiver = await startOtlpReceiver();
    await using folder = await temporaryFolder();
    const options = { ...tracedBy(receiver.endpoint), folder: folder.path };
    {
      await using easel = await startEasel(options);
      easel.upstream.always(picture({ beforeHeaders: easel.upstream.gate() }));
      await easel.post({ mediaId: 'm', prompt: 'x' }, { traceparent: TRACEPARENT, prefer: 'respond-async' });
      await easel.upstream.received(1);
    }
    {
      await using easel = await startEasel(options);
      await eventually(async () => expect((await easel.record('m')).status).toBe('succeeded'));
    }
    const post = receiver.span('POST /images');
    const jobs = receiver.spans.filter(({ name }) => name === 'job');
    expect(jobs.map(({ traceId, parentSpanId }) => [traceId, parentSpanId])).toEqual(
      Array(2).fill([TRACE, post.spanId]),
    );
    expect(jobs.map(({ attributes }) => attributes['easel.status'])).toEqual([undefined, 'succeeded']);
  });

  it('ends in error when the picture fails, and begins anew when the traceparent is malformed', async () => {
    await using receiver = await startOtlpReceiver();
    {
      await using easel = await startEasel(tracedBy(receiver.endpoint));
      easel.upstream.always(openAiError('insufficient_quota'));
      const { status } = await easel.post({ prompt: 'x' }, { traceparent: '00-nonsense-01' });
      expect(status).toBe(502);
      await easel.get('/health');
    }
    const { spans } = receiver;
    const ends = spans.map(({ name, status, attributes }) => [name, status.code, attributes[names.ATTR_ERROR_TYPE]]);
    expect(ends.sort()).toEqual([
      ['POST /images', ERROR, '502'],
      ['generate_content gpt-image-2', ERROR, 'account'],
      ['job', ERROR, 'provider_failed'],
    ]);
    expect(receiver.span('POST /images').parentSpanId).toBeUndefined();
    expect(new Set(spans.map(({ traceId }) => traceId)).size).toBe(1);
  });

  it('stays one trace when the body comes long after the headers', async () => {
    await using receiver = await startOtlpReceiver();
    {
      await using easel = await startEasel(tracedBy(receiver.endpoint));
      const sending = request(`${easel.url}/images`, {
        method: 'POST',
        headers: { 'content-type': 'application/json', connection: 'close', traceparent: TRACEPARENT },
      });
      sending.flushHeaders();
      // A request on another connection comes in between; its context must not leak into this one.
      await easel.get('/usage');
      sending.end(JSON.stringify({ prompt: 'x' }));
      const [answer] = (await once(sending, 'response')) as [IncomingMessage];
      expect(answer.statusCode).toBe(201);
      answer.resume();
      await once(answer, 'close');
    }
    expect(receiver.span('job')).toMatchObject({ traceId: TRACE, parentSpanId: receiver.span('POST /images').spanId });
  });

  it('is in the log line of a request whose client left before the answer', async () => {
    await using receiver = await startOtlpReceiver();
    await using easel = await startEasel(tracedBy(receiver.endpoint));
    easel.upstream.always(picture({ beforeHeaders: easel.upstream.gate() }));
    const leaving = request(`${easel.url}/images`, {
      method: 'POST',
      headers: { 'content-type': 'application/json', traceparent: TRACEPARENT },
    });
    leaving.on('error', () => undefined).end(JSON.stringify({ prompt: 'x' }));
    await easel.upstream.received(1);
    leaving.destroy();
    const line = () => lines(easel.log).find(({ msg }) => msg === 'request');
    await until(line);
    expect(line()).toMatchObject({ status: 499, trace_id: TRACE });
  });

  it('is not recorded when the caller does not sample it, but is passed on to the provider', async () => {
    await using receiver = await startOtlpReceiver();
    let called: unknown;
    {
      await using easel = await startEasel(tracedBy(receiver.endpoint));
      await easel.post({ prompt: 'x' }, { traceparent: `00-${TRACE}-${CALLER}-00` });
      called = easel.upstream.calls[0]?.headers.traceparent;
    }
    expect(called).toMatch(new RegExp(`^00-${TRACE}-[0-9a-f]{16}-00$`));
    expect(receiver.spans).toEqual([]);
  });
});

describe('what is exported', () => {
  it('holds no secret, in names, attributes or the message of an error', async () => {
    await using receiver = await startOtlpReceiver();
    const { mask: maskSecrets } = createSecretMask(['hunter22']);
    const options = {
      endpoint: receiver.endpoint,
      version: '1',
      instance: 'a',
      logger: pino({ level: 'silent' }),
      maskSecrets,
    };
    const { tracer, close } = createOtelTracing({ ...options, clock: createManualClock() });
    const span = { name: 'a hunter22', attributes: { given: 'b hunter22', count: 1 }, parent: null };
    const work = tracer.span(span, async () => {
      tracer.annotate({ later: 'c hunter22' });
      throw new Error('d hunter22');
    });
    await expect(work).rejects.toThrow('d hunter22');
    await close();
    expect(receiver.span('a [secret]')).toMatchObject({
      attributes: { given: 'b [secret]', count: 1, later: 'c [secret]' },
      status: { code: ERROR, message: 'd [secret]' },
    });
  });

  it.each([
    ['does not hold a prompt that the provider quotes', {}, false],
    ['holds it with LOG_PROMPTS', { LOG_PROMPTS: 'true' }, true],
  ])('%s, in no span and in no line of the log', async (_what, env, shown) => {
    const prompt = 'a lighthouse in a storm';
    await using receiver = await startOtlpReceiver();
    let log = '';
    {
      await using easel = await startEasel({
        env: { ...tracedBy(receiver.endpoint).env, RETRY_MAX_ATTEMPTS: '2', ...env },
      });
      const quoting = { message: `Your prompt "${prompt}" was read.` };
      easel.upstream.script(
        openAiError('server_error', quoting),
        openAiError('server_error', quoting),
        openAiError('moderation_blocked', quoting),
      );
      for (const mediaId of ['x', 'y']) {
        const { body } = await easel.post({ mediaId, prompt });
        // Its own caller may see it.
        expect(body.detail).toContain(prompt);
        expect((await easel.record(mediaId)).error?.detail).toContain(prompt);
      }
      log = easel.log.join('');
    }
    for (const msg of ['call failed, trying again', 'no picture from this provider', 'image failed'])
      expect(log).toContain(msg);
    expect(log.includes(prompt)).toBe(shown);
    expect(JSON.stringify(receiver.spans).includes(prompt)).toBe(shown);
  });
});

describe('a collector', () => {
  it.each([
    ['refuses connections', UNREACHABLE],
    ['never answers', null],
  ])('that %s delays and fails nothing, not even the shutdown', async (_how, unreachable) => {
    await using receiver = await startOtlpReceiver({ status: null });
    const easel = await startEasel(tracedBy(unreachable ?? receiver.endpoint));
    expect((await easel.post({ prompt: 'x' })).status).toBe(201);
    await easel[Symbol.asyncDispose]();
  });

  it('that never answers is waited for no longer than a second at the end', async () => {
    await using receiver = await startOtlpReceiver({ status: null });
    const clock = createManualClock();
    const logger = pino({ level: 'silent' });
    const { endpoint } = receiver;
    const { tracer, close } = createOtelTracing({
      endpoint,
      version: '1',
      instance: 'a',
      logger,
      maskSecrets: (text) => text,
      clock,
    });
    await tracer.span({ name: 'x', parent: null }, async () => undefined);
    // Those of the SDK too, so that none of its own limits ends the wait.
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] });
    onTestFinished(() => void vi.useRealTimers());
    const closed = close();
    vi.advanceTimersByTime(1_000);
    await closed;
  });

  it('that refuses the spans is logged once a minute', async () => {
    await using receiver = await startOtlpReceiver({ status: 400 });
    const log: string[] = [];
    const clock = createManualClock();
    const logger = pino({}, { write: (line: string) => void log.push(line) });
    const { tracer, close } = createOtelTracing({
      endpoint: receiver.endpoint,
      version: '1',
      instance: 'a',
      logger,
      maskSecrets: (text) => text,
      clock,
    });
    const sendBatch = async (number: number) => {
      for (let span = 0; span < BATCH; span += 1) await tracer.span({ name: 'x', parent: null }, async () => undefined);
      await eventually(() => expect(receiver.requests).toBe(number));
    };
    for (const number of [1, 2, 3]) await sendBatch(number);
    await eventually(() => expect(log).toHaveLength(1));
    clock.move(60_000);
    await sendBatch(4);
    await close();
    expect(lines(log)).toEqual(
      Array(2).fill(expect.objectContaining({ msg: 'traces could not be exported and are lost', spans: BATCH })),
    );
  });
});

describe('the SDK', () => {
  it.each([
    ['is not loaded without a collector', undefined, false],
    ['is loaded with one', UNREACHABLE, true],
  ])('%s', async (_what, endpoint, loaded) => {
    await using folder = await temporaryFolder();
    const LOADED_MODULES = join(folder.path, 'modules');
    await using service = await startService({
      folder: folder.path,
      env: { LOADED_MODULES, ...(endpoint && { OTEL_EXPORTER_OTLP_ENDPOINT: endpoint }) },
      preload: new URL('../../support/loaded-modules.ts', import.meta.url),
    });
    service.child.kill('SIGTERM');
    await service.exited;
    const modules = (await readFile(LOADED_MODULES, 'utf8')).split('\n');
    expect(modules).toContainEqual(expect.stringContaining('/fastify/'));
    // prom-client loads @opentelemetry/api, which holds only names and no-ops.
    const sdk = modules.filter((url) => /\/@opentelemetry\/(?!api\/)/.test(url));
    expect(sdk.length > 0).toBe(loaded);
  });
});
