import { pino } from 'pino';
import { afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { createImageEvents } from '../../src/adapters/events/local.ts';
import { createOpenAIProvider } from '../../src/adapters/providers/openai/provider.ts';
import { openCallThreads } from '../../src/composition/threads/call-threads.ts';
import { inputName } from '../../src/core/domain/file-names.ts';
import type { Image } from '../../src/core/domain/image.ts';
import { CATALOG } from '../../src/core/models/catalog.ts';
import { estimateCost, settleCost } from '../../src/core/money/pricing.ts';
import { createAttempt } from '../../src/core/pipeline/attempt.ts';
import { createReadInputs } from '../../src/core/pipeline/edit-inputs.ts';
import { createGenerate } from '../../src/core/pipeline/generate.ts';
import { createInputRoom } from '../../src/core/pipeline/input-room.ts';
import { inRun } from '../../src/core/pipeline/job.ts';
import { createRunningCalls } from '../../src/core/pipeline/running-calls.ts';
import { NO_TRACING } from '../../src/core/ports/tracer.ts';
import { createFallback } from '../../src/core/upstream/fallback.ts';
import { createCallProvider } from '../../src/core/upstream/provider-calls.ts';
import { createRetryBudget } from '../../src/core/upstream/retry-budget.ts';
import { createUpstreams } from '../../src/core/upstream/upstreams.ts';
import { createSecretMask } from '../../src/security/secret-mask.ts';
import { imageIn } from '../core/domain/life-cycle/example-changes.ts';
import { openJobOf } from '../core/pipeline/job-of.ts';
import { colouredInput, type StoredInput } from '../support/edit-inputs.ts';
import { openAiError } from '../support/openai/answers.ts';
import { type OpenAiServer, startOpenAiServer } from '../support/openai/server.ts';
import { createTestClock } from '../support/test-clock.ts';
import { LONGEST_WAIT_MS } from '../support/until.ts';

let first: OpenAiServer;
let second: OpenAiServer;
let red: StoredInput;
let mask: StoredInput;

beforeAll(async () => {
  red = await colouredInput({ r: 200, g: 40, b: 40 });
  mask = await colouredInput({ r: 0, g: 0, b: 0, alpha: 0 });
});
beforeEach(async () => {
  [first, second] = [await startOpenAiServer(), await startOpenAiServer()];
});
const opened: { close(): Promise<void> }[] = [];
afterEach(async () => {
  for (const one of opened.splice(0).toReversed()) await one.close();
  await Promise.all([first.close(), second.close()]);
});

/** Two providers whose calls are made on threads, and the pipeline's step that calls them. The media store is a map. */
function openPipeline() {
  const clock = createTestClock();
  const threads = openCallThreads({
    providers: [first, second].map((server, index) => ({
      name: ['first', 'second'][index] ?? '',
      apiKey: server.key,
      baseURL: server.baseUrl,
      azureApiVersion: null,
      omit: [],
      timeoutMs: LONGEST_WAIT_MS,
      maxPictureBytes: 32 * 1024 * 1024,
      logPrompts: false,
      allowHosts: [],
    })),
    maxResponseBytes: 32 * 1024 * 1024,
    tracer: NO_TRACING,
    secrets: createSecretMask([]),
  });
  opened.push(threads);
  const options = { omit: [], edits: true, streaming: true, controlSequences: [], clock };
  const model = (id: string) => CATALOG.get(id) ?? null;
  const providers = ['first', 'second'].map((name) =>
    createOpenAIProvider({ ...options, name, model, calls: threads.callsOf(name) }),
  );
  const limits = { concurrency: null, perMinute: null };
  const upstreams = createUpstreams(
    providers.map((provider) => ({ provider, limits })),
    clock,
    pino({ level: 'silent' }),
  );
  const retry = { maxAttempts: 4, deadlineMs: 600_000, ambiguousRetries: 1 };
  const retryBudget = createRetryBudget(100, clock);
  const telemetry = { providerRetry: () => {}, accountFault: () => {}, providerCall: () => {}, spent: () => {} };
  const files = new Map([red, mask].map(({ input, bytes }) => [inputName(input.sha256), bytes]));
  let ids = 0;
  const generate = createGenerate({
    findStoredOriginal: () => Promise.reject(new Error('is not called')),
    upstreams,
    callWithFallback: createFallback({
      callProvider: createCallProvider({ retry, retryBudget, telemetry, clock, random: () => 0.5 }),
      retry,
      retryBudget,
      clock,
    }),
    attemptOnce: createAttempt({
      store: { put: async (name, bytes) => void files.set(name, Uint8Array.from(bytes)), remove: async () => {} },
      readInputs: createReadInputs({
        room: createInputRoom(1_000_000),
        store: {
          async read(name) {
            const bytes = files.get(name);
            return bytes === undefined ? null : Uint8Array.from(bytes);
          },
        },
      }),
      events: createImageEvents(),
      guardSpending: () => undefined,
      costs: {
        estimate: async (call) => estimateCost(call),
        settle: async (call, usage, reserved) => settleCost(call, usage, reserved),
      },
      fetchAnnounced: () => Promise.reject(new Error('is not called')),
      runningCalls: createRunningCalls(),
      timeoutMs: LONGEST_WAIT_MS,
      telemetry,
      tracer: NO_TRACING,
      clock,
      newId: () => `attempt-${++ids}`,
    }),
  });
  /** Makes an edit of the red picture, and gives the image at its end. */
  async function edit(
    request: Partial<Image['request']> = {},
  ): Promise<{ readonly image: Image; readonly error: unknown }> {
    const queued = imageIn('queued');
    const given = {
      model: 'gpt-image-2',
      size: { width: 1024, height: 640 },
      renditions: [],
      inputs: [red.input],
      mask: mask.input,
    };
    const image: Image = {
      ...queued,
      requestedAt: new Date(clock.now()).toISOString(),
      request: { ...queued.request, ...given, ...request },
    };
    const { job } = openJobOf(image);
    const error = await (async () => generate(inRun(job, image.run), image))().then(
      () => null,
      (raised: unknown) => raised,
    );
    const stored = await job.read();
    if (stored === null) throw new Error('the image is gone');
    return { image: stored, error };
  }
  return { edit, files, upstreams };
}

/** What takes the pictures out of the request again. */
const FROM_PROMPT = { inputs: [], mask: undefined } as unknown as Partial<Image['request']>;

const hashes = (server: OpenAiServer) =>
  server.calls.map(({ files }) => Object.fromEntries(files.map(({ field, sha256 }) => [field, sha256])));
const sent = () => ({ image: red.input.sha256, mask: mask.input.sha256 });

describe('an edit', () => {
  it('that fails is sent again with the same bytes, and its inputs are billed by the usage', async () => {
    first.script(openAiError('server_error'), openAiError('rate_limit_exceeded'));
    const { edit } = openPipeline();
    const { image, error } = await edit();
    expect(error).toBeNull();
    expect(hashes(first)).toEqual([sent(), sent(), sent()]);
    expect(image.attempts.map(({ outcome }) => outcome)).toEqual(['failed', 'failed', 'ok']);
    expect(image.cost.basis).toBe('usage');
    // 323 image tokens at 8 dollars a million, in the stand-in's usage.
    const usage = image.attempts.at(-1)?.cost.usd ?? 0;
    expect(usage).toBeGreaterThan(0.002584);
  });

  it('goes to the next provider where the first has no endpoint for it, which is asked once and billed never', async () => {
    first.edits = false;
    const { edit } = openPipeline();
    const { image, error } = await edit();
    expect(error).toBeNull();
    expect(image.attempts.map(({ provider, outcome, cost }) => [provider, outcome, cost.usd === 0])).toEqual([
      ['first', 'failed', true],
      ['second', 'ok', false],
    ]);
    expect(hashes(second)).toEqual([sent()]);
    const next = await edit();
    expect(next.image.attempts.map(({ provider }) => provider)).toEqual(['second']);
    const [asked] = first.otherCalls.concat(first.calls);
    expect([asked?.operation, first.calls.length]).toEqual(['edits', 1]);
    // Other pictures are still made there.
    const plain = await edit(FROM_PROMPT);
    expect(plain.image.attempts.map(({ provider }) => provider)).toEqual(['first']);
  });

  it('that no provider can make fails once they have said so, and is refused from then on', async () => {
    first.edits = false;
    second.edits = false;
    const { edit } = openPipeline();
    const { image, error } = await edit();
    expect(error).toMatchObject({ fault: 'edits_refused' });
    expect(image.attempts.map(({ provider, outcome }) => [provider, outcome])).toEqual([
      ['first', 'failed'],
      ['second', 'failed'],
    ]);
    expect((await edit()).error).toMatchObject({ code: 'unsupported_parameter', paths: [{ path: 'inputs' }] });
    expect([first.calls.length, second.calls.length]).toEqual([1, 1]);
  });

  it('whose input is lost is not sent, and no call is on record', async () => {
    const { edit, files } = openPipeline();
    files.delete(inputName(red.input.sha256));
    const { image, error } = await edit();
    expect(error).toMatchObject({ code: 'storage_unavailable', message: expect.stringContaining('input 1 of') });
    expect([image.attempts, first.calls.length, second.calls.length]).toEqual([[], 0, 0]);
  });

  it('keeps going at a server that lacks parameters, in one run', async () => {
    first.refuses = ['n', 'output_format', 'stream'];
    const { edit } = openPipeline();
    const { image, error } = await edit({ partials: 2 });
    expect(error).toBeNull();
    expect(image.attempts.map(({ outcome }) => outcome)).toEqual(['failed', 'failed', 'failed', 'ok']);
    expect(hashes(first)).toEqual([sent(), sent(), sent(), sent()]);
    expect((await edit({ partials: 2 })).image.attempts.map(({ outcome }) => outcome)).toEqual(['ok']);
  });
});
