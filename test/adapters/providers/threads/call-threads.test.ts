import { AsyncLocalStorage } from 'node:async_hooks';
import { MessageChannel } from 'node:worker_threads';
import { beforeEach, describe, expect, it, onTestFinished } from 'vitest';
import type { CallSettings } from '../../../../src/adapters/providers/openai/calls.ts';
import { createCallServer } from '../../../../src/adapters/providers/threads/call-server.ts';
import { openCallThreads } from '../../../../src/composition/threads/call-threads.ts';
import type { GeneratedPicture, GenerationOptions, ProviderCalls } from '../../../../src/core/ports/provider.ts';
import { NO_TRACING } from '../../../../src/core/ports/tracer.ts';
import { createSecretMask } from '../../../../src/security/secret-mask.ts';
import { describeProvider } from '../../../contracts/provider.ts';
import { bytesOf, colouredInput } from '../../../support/edit-inputs.ts';
import { addressIn, callOptions, pictureIn } from '../../../support/generation.ts';
import { CALL } from '../../../support/openai/adapter.ts';
import { answer, hang, openAiError, picture } from '../../../support/openai/answers.ts';
import { MAX_ANSWER_BYTES, openAiFixture, TRAITS } from '../../../support/openai/provider-fixture.ts';
import { type OpenAiServer, startOpenAiServer } from '../../../support/openai/server.ts';
import { received } from '../../../support/received.ts';
import { watchThreads } from '../../../support/threads.ts';
import { LONGEST_WAIT_MS } from '../../../support/until.ts';

function openThreads(
  settings: readonly CallSettings[],
  secrets = createSecretMask([]),
  traceparent = () => null as string | null,
) {
  const providers = settings.map((one) => ({ ...one, allowHosts: [{ hostname: '127.0.0.1', port: null }] }));
  return openCallThreads({
    providers,
    maxResponseBytes: MAX_ANSWER_BYTES,
    tracer: { ...NO_TRACING, traceparent },
    secrets,
  });
}

describeProvider(
  'openai on call threads',
  () => openAiFixture(CALL.model, { strict: true, omit: [], makeCalls: (settings) => openThreads(settings) }),
  TRAITS,
);

let server: OpenAiServer;

beforeEach(async () => {
  server = await startOpenAiServer();
  return () => server.close();
});

/** Calls of the stand-in on threads, and the threads that make them. */
function open(...more: [secrets?: ReturnType<typeof createSecretMask>, traceparent?: () => string | null]) {
  const watched = watchThreads();
  const settings: CallSettings = {
    name: 'openai',
    apiKey: server.key,
    baseURL: server.baseUrl,
    azureApiVersion: null,
    omit: [],
    timeoutMs: LONGEST_WAIT_MS,
    maxPictureBytes: MAX_ANSWER_BYTES,
    logPrompts: false,
  };
  const threads = openThreads([settings], ...more);
  onTestFinished(async () => {
    watched[Symbol.dispose]();
    await threads.close();
  });
  return { watched, threads, calls: threads.callsOf('openai') };
}

const failureOf = (made: Promise<unknown>) =>
  made.then(
    () => 'no error',
    (error: unknown) => error,
  );

describe('a call on a thread', () => {
  it('starts one at the first call, and not before', async () => {
    const { threads, watched, calls } = open();
    expect([threads.threadCount, watched.running()]).toEqual([0, []]);
    await calls.generate(CALL, callOptions());
    expect(threads.threadCount).toBe(1);
  });

  it('gives bytes that are alone in their memory', async () => {
    const { bytes } = pictureIn(await open().calls.generate(CALL, callOptions()));
    expect(bytes.byteLength / bytes.buffer.byteLength).toBeGreaterThan(0.87);
  });

  it('gives the memory of its picture back as soon as that is asked for', async () => {
    const { bytes, release } = pictureIn(await open().calls.generate(CALL, callOptions()));
    const { buffer } = bytes;
    expect(buffer.byteLength).toBeGreaterThan(0);
    release?.();
    expect([bytes.byteLength, buffer.byteLength]).toEqual([0, 0]);
  });

  it('has handed over every partial picture, in order, before it ends', async () => {
    const { calls } = open();
    for (let round = 0; round < 10; round += 1) {
      const seen: number[] = [];
      const onPartial = (bytes: Uint8Array, index: number) => void seen.push(bytes.length > 100 ? index : -1);
      await calls.generate({ ...CALL, partialImages: 3 }, callOptions({ onPartial }));
      expect(seen).toEqual([0, 1, 2]);
    }
  });

  it('downloads a picture, with its checksum', async () => {
    const { calls } = open();
    server.script(picture({ as: 'url' }));
    const { url } = addressIn(await calls.generate(CALL, callOptions()));
    const { bytes, sha256, isWhole } = await calls.download(url, {
      signal: new AbortController().signal,
      timeoutMs: 10_000,
    });
    expect([sha256, isWhole]).toEqual([received(bytes).sha256, true]);
  });

  it('raises an error with all its fields', async () => {
    server.script(
      openAiError('rate_limit_exceeded', { message: `no "${CALL.prompt}" now`, headers: { 'retry-after': '7' } }),
    );
    const failure = await failureOf(open().calls.generate(CALL, callOptions()));
    expect(failure).toMatchObject({
      name: 'ProviderError',
      fault: 'rate_limited',
      outcome: 'failed',
      httpStatus: 429,
      retryAfterMs: 7000,
      providerRequestId: server.calls[0]?.requestId,
    });
    expect(failure).toHaveProperty('message', expect.stringContaining(CALL.prompt));
    expect(failure).toHaveProperty('reason', expect.not.stringContaining(CALL.prompt));
  });

  it('carries the traceparent of the span in which it was made', async () => {
    const of = (digit: string) => `00-${digit.repeat(32)}-${digit.repeat(16)}-01`;
    const parents = ['1', '2', '3'].map(of);
    let made = 0;
    const { calls } = open(undefined, () => parents[made++] ?? null);
    await Promise.all(parents.map(() => calls.generate(CALL, callOptions())));
    expect(server.calls.map(({ headers }) => headers.traceparent).toSorted()).toEqual(parents);
    await calls.generate(CALL, callOptions());
    expect(server.calls.at(-1)?.headers).not.toHaveProperty('traceparent');
  });

  it('takes the pictures of an edit along without a copy, and sends what the server does not know no more', async () => {
    const { calls } = open();
    const stored = [await colouredInput({ r: 200, g: 40, b: 40 }), await colouredInput({ r: 40, g: 40, b: 200 })];
    const inputBytes = bytesOf(...stored);
    const edit = { inputs: stored.map(({ input }) => input), mask: null };
    await calls.generate({ ...CALL, edit }, callOptions({ inputBytes, omit: ['n'] }));
    expect([...inputBytes.values()].map(({ byteLength }) => byteLength)).toEqual([0, 0]);
    const [sent] = server.calls;
    expect(sent?.files.map(({ sha256 }) => sha256)).toEqual(stored.map(({ input }) => input.sha256));
    expect(sent?.body).not.toHaveProperty('n');
  });

  it('says which parameter was refused', async () => {
    server.refuses = ['n'];
    const failure = await failureOf(open().calls.generate(CALL, callOptions()));
    expect(failure).toMatchObject({ fault: 'parameter_refused', parameter: 'n' });
  });

  it('masks secrets, also those that become known while it runs', async () => {
    const secrets = createSecretMask(['hunter22']);
    const { calls } = open(secrets);
    const gate = server.gate();
    const body = JSON.stringify({ data: [{ b64_json: 'AQID', revised_prompt: 'hunter22, learned-later, other' }] });
    server.script(answer({ body, beforeHeaders: gate }));
    const made = calls.generate(CALL, callOptions());
    await gate.reached();
    secrets.learn(['learned-later']);
    // What is sent to a thread arrives in order: a call that has answered has learned what was sent before.
    await calls.generate(CALL, callOptions());
    gate.open();
    expect(pictureIn(await made).revisedPrompt).toBe('[secret], [secret], other');
  });
});

describe('a thread that dies', () => {
  it('leaves its calls as ones that may have been billed, and later calls work on another', async () => {
    const { watched, calls } = open();
    server.script(hang(), hang());
    const made = [calls.generate(CALL, callOptions()), calls.generate(CALL, callOptions())].map(failureOf);
    await server.received(2);
    await watched.kill();
    for (const failure of await Promise.all(made)) {
      expect(failure).toMatchObject({
        name: 'ProviderError',
        fault: 'interrupted',
        outcome: 'unknown',
        httpStatus: null,
      });
    }
    await server.abandoned(2);
    expect(pictureIn(await calls.generate(CALL, callOptions())).httpStatus).toBe(200);
  });

  it('leaves a download to be tried again', async () => {
    const { watched, calls } = open();
    server.script(picture({ as: 'url', file: hang() }));
    const { url } = addressIn(await calls.generate(CALL, callOptions()));
    const failure = failureOf(calls.download(url, { signal: new AbortController().signal, timeoutMs: 60_000 }));
    await expect.poll(() => server.otherCalls.length).toBe(1);
    await watched.kill();
    expect(await failure).toMatchObject({ fault: 'interrupted' });
  });
});

it('closing the threads ends the calls that run, and their connections', async () => {
  const { threads, calls } = open();
  server.script(hang());
  const failure = failureOf(calls.generate(CALL, callOptions()));
  await server.received(1);
  await threads.close();
  expect(await failure).toMatchObject({ fault: 'interrupted', outcome: 'unknown' });
  await server.abandoned(1);
});

describe('the side of the thread', () => {
  const REPORT = { revisedPrompt: null, usage: null, httpStatus: 200, providerRequestId: null, pauseMs: null };

  /** Serves a call whose `generate` is this. */
  function serve(
    generate: (options: GenerationOptions) => Promise<GeneratedPicture>,
    before: 'cancelled' | 'abandoned' | null = null,
  ) {
    const { port1, port2: port } = new MessageChannel();
    onTestFinished(() => port1.close());
    if (before !== null) port1.postMessage({ end: before });
    const calls = { generate: (_call, options) => generate(options) } as ProviderCalls;
    const run = createCallServer({
      callsOf: () => calls,
      learnSecrets: () => undefined,
      traces: new AsyncLocalStorage(),
    });
    const work = { method: 'generate', call: CALL, inputBytes: undefined, omit: [], wantsPartials: false } as const;
    return run({ provider: 'x', work, traceparent: null, secrets: [], port });
  }

  it('moves the memory that the picture was decoded into, and does not copy it', async () => {
    const bytes = new Uint8Array(1024).fill(7);
    const { result, transfer } = await serve(async () => ({ ...received(bytes), ...REPORT }));
    expect((result as GeneratedPicture).bytes.buffer).toBe(bytes.buffer);
    expect(transfer).toEqual([bytes.buffer]);
  });

  it.each(['cancelled', 'abandoned'] as const)('knows from the start that a call was %s', async (end) => {
    let aborted: readonly boolean[] = [];
    await serve(async ({ cancelled, abandoned }) => {
      aborted = [cancelled.aborted, abandoned.aborted];
      return { ...received(new Uint8Array(1)), ...REPORT };
    }, end);
    expect(aborted).toEqual([end === 'cancelled', end === 'abandoned']);
  });
});
