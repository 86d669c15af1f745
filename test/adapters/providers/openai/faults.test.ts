import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { createTransport } from '../../../../src/adapters/providers/transport.ts';
import { ProviderError } from '../../../../src/core/domain/errors.ts';
import { createSecretMask } from '../../../../src/security/secret-mask.ts';
import { callOptions } from '../../../support/generation.ts';
import {
  CALL,
  MAX_BYTES,
  type OpenAIOptions,
  type OpenAiAdapter,
  startOpenAiAdapter,
} from '../../../support/openai/adapter.ts';
import {
  answer,
  azureError,
  type Behaviour,
  dropConnection,
  giantBody,
  gzipBomb,
  hang,
  htmlPage,
  openAiError,
  picture,
  rateLimitHeaders,
  textError,
  vllmError,
} from '../../../support/openai/answers.ts';
import type { OpenAiErrorName } from '../../../support/openai/dialect.ts';
import { type OpenAiServer, startOpenAiServer } from '../../../support/openai/server.ts';
import { LONGEST_WAIT_MS } from '../../../support/until.ts';

let adapter: OpenAiAdapter;
let server: OpenAiServer;
let provider: OpenAiAdapter['provider'];

beforeAll(async () => {
  adapter = await startOpenAiAdapter();
  ({ server, provider } = adapter);
});
afterAll(() => adapter[Symbol.asyncDispose]());
beforeEach(() => server.reset());

/** The error that a call raises. */
async function failure(some: Partial<OpenAIOptions> = {}): Promise<ProviderError> {
  const error: unknown = await provider(some)
    .generate(CALL, callOptions())
    .then(
      () => new Error('the call returned a picture'),
      (reason: unknown) => reason,
    );
  if (error instanceof ProviderError) return error;
  throw error;
}

const fastApiDetail = [{ loc: ['body', 'size'], msg: 'value is not a valid size' }];
const redirect = answer({ status: 307, headers: { location: 'http://127.0.0.1:1/v1/images/generations' } });
const okay = (name: OpenAiErrorName, headers: Record<string, string> = {}) =>
  openAiError(name, { status: 200, headers });
const errorResponse = (status: number, json: unknown) => answer({ status, json });

describe('an error response', () => {
  it.each([
    // OpenAI's table of errors, row by row.
    [openAiError('moderation_blocked'), 'refused', 400, 'rejected by the safety system'],
    [openAiError('content_policy_violation'), 'refused', 400, 'safety system'],
    [openAiError('billing_hard_limit_reached'), 'account', 400, 'Billing hard limit'],
    [
      errorResponse(400, { error: { message: "Unknown parameter: 'style'.", code: 'unknown_parameter' } }),
      'rejected',
      400,
      'style',
    ],
    [
      errorResponse(400, { error: { message: "Invalid size '1x1'.", type: 'invalid_request_error' } }),
      'rejected',
      400,
      '1x1',
    ],
    [openAiError('invalid_api_key'), 'account', 401, 'Incorrect API key'],
    [openAiError('organization_not_verified'), 'account', 403, 'must be verified'],
    [openAiError('model_not_found'), 'rejected', 404, 'does not exist'],
    [openAiError('conflict'), 'overloaded', 409, 'conflicts'],
    [openAiError('insufficient_quota'), 'account', 429, 'exceeded your current quota'],
    [openAiError('credit_balance_exhausted'), 'account', 429, 'credit balance'],
    [openAiError('rate_limit_exceeded'), 'rate_limited', 429, 'Rate limit reached'],
    [openAiError('slow_down'), 'rate_limited', 429, 'slow down'],
    [openAiError('server_error'), 'overloaded', 500, 'had an error'],
    [openAiError('server_is_overloaded'), 'overloaded', 503, 'overloaded'],
    // Azure's.
    [azureError('contentFilter'), 'refused', 400, 'content filters'],
    [
      errorResponse(400, { error: { code: 'contentFilter', message: 'Your task failed.' } }),
      'refused',
      400,
      'Your task failed',
    ],
    [
      errorResponse(400, {
        error: { code: '400', message: 'No.', innererror: { code: 'ResponsibleAIPolicyViolation' } },
      }),
      'refused',
      400,
      'ResponsibleAIPolicyViolation',
    ],
    [azureError('accessDenied'), 'account', 401, 'Access denied'],
    [azureError('resourceBlocked'), 'account', 403, 'temporarily blocked'],
    [azureError('deploymentNotFound'), 'rejected', 404, 'does not exist'],
    [azureError('tooManyRequests'), 'rate_limited', 429, 'call rate limit'],
    [azureError('internalError'), 'overloaded', 500, 'unexpected response'],
    [errorResponse(401, { statusCode: 401, message: 'Token expired' }), 'account', 401, 'Token expired'],
    // Compatible servers and proxies.
    [vllmError(400, 'prompt is too long'), 'rejected', 400, 'prompt is too long'],
    [vllmError(422, fastApiDetail), 'rejected', 422, 'body.size: value is not a valid size'],
    [vllmError(503, 'engine is dead'), 'overloaded', 503, 'engine is dead'],
    [errorResponse(400, { object: 'error', message: 'bad size', code: 40001 }), 'rejected', 400, 'bad size (40001)'],
    [errorResponse(404, { error: 'model "x" not found' }), 'rejected', 404, 'model "x" not found'],
    [errorResponse(400, ['odd']), 'rejected', 400, '["odd"]'],
    [textError(429, 'too many\nrequests'), 'rate_limited', 429, 'too many requests'],
    [textError(402, 'Payment Required'), 'account', 402, 'Payment Required'],
    [htmlPage(404), 'rejected', 404, 'an HTML page, "404"'],
    [answer({ status: 408 }), 'overloaded', 408, 'without a body'],
    [redirect, 'rejected', 307, 'without a body'],
    [htmlPage(521), 'overloaded', 521, 'an HTML page, "521"'],
    [openAiError('server_error', { status: 529 }), 'overloaded', 529, 'had an error'],
  ] as const)('$name has its fault and says why', async (behaviour: Behaviour, fault, httpStatus, text) => {
    server.always(behaviour);
    const error = await failure();
    expect(error).toMatchObject({ fault, httpStatus, outcome: 'failed' });
    expect(error.message).toContain(text);
    expect(server.calls).toHaveLength(1);
  });

  it.each([
    [openAiError('server_error', { status: 502 }), 502, 'had an error'],
    [openAiError('server_error', { status: 504 }), 504, 'had an error'],
    [vllmError(504, 'upstream request timeout'), 504, 'upstream request timeout'],
    [htmlPage(502), 502, 'an HTML page, "502"'],
    [htmlPage(503), 503, 'an HTML page, "503"'],
    [htmlPage(522), 522, 'an HTML page, "522"'],
    [openAiError('server_error', { status: 523 }), 523, 'had an error'],
    [htmlPage(524), 524, 'an HTML page, "524"'],
    [htmlPage(520), 520, 'an HTML page, "520"'],
    [textError(500, 'upstream connect error'), 500, 'upstream connect error'],
    [errorResponse(500, { message: 'no upstream' }), 500, 'no upstream'],
    [errorResponse(500, { error: null, detail: '' }), 500, '500'],
    [errorResponse(500, { error: {} }), 500, '500'],
    [answer({ status: 503 }), 503, 'without a body'],
    [openAiError('server_error', { cut: { after: 'headers', by: 'reset' } }), 500, 'without a body'],
    [openAiError('server_is_overloaded', { cut: { after: { bytes: 30 }, by: 'close' } }), 503, 'without a body'],
  ] as const)(
    "$name with status %s may be a gateway's, sent after the model had begun",
    async (behaviour, httpStatus, text) => {
      server.always(behaviour);
      const error = await failure();
      expect(error).toMatchObject({ fault: 'gateway', httpStatus, outcome: 'unknown' });
      expect(error.message).toContain(text);
      expect(error.providerRequestId).toBe(server.calls[0]?.requestId);
      expect(server.calls).toHaveLength(1);
    },
  );

  it.each([
    ['retry-after', '7', 7000],
    ['retry-after', 'Mon, 23 Nov 2026 12:00:30 GMT', 30_000],
    ['retry-after', '-7', 0],
    ['retry-after', '999999999', 999_999_999_000],
    ['retry-after', String(Date.parse('2026-11-23T12:00:30Z') / 1000), 30_000],
    ['retry-after-ms', '250', 250],
  ])('carries the requested wait: %s %s', async (header, value, retryAfterMs) => {
    const headers = { [header]: value, date: 'Mon, 23 Nov 2026 12:00:00 GMT' };
    for (const behaviour of [
      openAiError('slow_down', { headers }),
      htmlPage(504, { headers }),
      okay('slow_down', headers),
    ]) {
      server.always(behaviour);
      expect(await failure()).toMatchObject({ retryAfterMs });
    }
  });

  it.each([
    ['the key itself', (key: string) => key],
    ['the key inside a longer word', (key: string) => `Bearer-${key}-x`],
    ['the key masked with asterisks', (key: string) => `${key.slice(0, 3)}********${key.slice(-4)}`],
    ['another masked key', () => 'f00d************cafe'],
  ])('never reveals %s', async (_, quoted) => {
    const key = server.key ?? '';
    server.always(openAiError('invalid_api_key', { message: `Wrong: ${quoted(key)}.` }));
    const error = await failure();
    expect(error.message).toContain('[secret]');
    for (const secret of [key, key.slice(-4), 'cafe']) expect(error.message).not.toContain(secret);
    expect(error.cause).toBeUndefined();
  });

  const LONG_KEY = `sk-proj-${'Ab0_'.repeat(15)}xy`;

  it.each([
    ['where its text is cut', (key: string) => ({ message: `${'-'.repeat(230)} ${key} and more` })],
    ['far behind that', (key: string) => ({ message: `${'x'.repeat(16_600)} ${key}` })],
    ['many times, so that the text grows short', (key: string) => ({ message: `${key} `.repeat(1000) })],
    ['as its code', (key: string) => ({ message: 'no', code: key })],
    ['as a code that is cut', (key: string) => ({ message: 'no', code: `${'x'.repeat(60)}-${key}` })],
    ['in percent-encoding', (key: string) => ({ message: `${'-'.repeat(230)} ${key.replaceAll('_', '%5f')}` })],
  ])('never reveals a part of a key %s', async (_, error) => {
    const key = LONG_KEY.replaceAll('_', '/').replace('sk-', 'pk-');
    for (const [given, quoted] of [
      [key, key],
      [key, key.replaceAll('/', '%2f')],
      [key, key.replaceAll('/', '%2F')],
      [key, key.replaceAll('/', '\\/')],
      [LONG_KEY, LONG_KEY],
    ] as const) {
      server.always(errorResponse(401, { error: error(quoted) }));
      const failed = await failure({ maskSecrets: createSecretMask([given]).mask });
      for (const text of [failed.message, failed.reason]) expect(text).not.toMatch(/proj-|Ab0/);
    }
  });

  it('with a code of 100,000 letters is answered at once, and a part of the code is kept', async () => {
    server.always(errorResponse(400, { error: { message: 'no', code: 'x'.repeat(100_000) } }));
    const began = process.cpuUsage();
    const error = await failure();
    expect(error.message).toBe(`openai answered 400 no (${'x'.repeat(100)})`);
    // In microseconds. It was 15 s.
    expect(process.cpuUsage(began).user).toBeLessThan(5_000_000);
  });

  it("is none of the connection, though its code is one of Node's", async () => {
    server.always(errorResponse(500, { error: { message: 'the database is gone', code: 'ECONNREFUSED' } }));
    expect(await failure()).toMatchObject({ fault: 'overloaded', httpStatus: 500 });
    server.always(errorResponse(502, { error: { message: 'no route', code: 'ENOTFOUND' } }));
    expect(await failure()).toMatchObject({ fault: 'gateway', outcome: 'unknown' });
  });

  it('that has no end is not read to its end', async () => {
    server.always(answer({ status: 400, body: Buffer.alloc(MAX_BYTES + 1, 'x') }));
    expect(await failure()).toMatchObject({ fault: 'rejected', message: `openai answered 400 ${'x'.repeat(296)}` });
    server.always(errorResponse(400, { error: { message: 'x'.repeat(2_000_000), code: 'moderation_blocked' } }));
    expect(await failure()).toMatchObject({ fault: 'rejected', httpStatus: 400 });
  });

  it('nested too deeply to be written again keeps its status', async () => {
    const depth = 100_000;
    const body = Buffer.from(`{"error":${'{"a":'.repeat(depth)}1${'}'.repeat(depth)}}`);
    server.always(answer({ status: 400, body }));
    expect(await failure()).toMatchObject({ fault: 'rejected', httpStatus: 400 });
  });

  it('with an endless request id keeps its start', async () => {
    server.always(answer({ status: 400, headers: { 'x-request-id': 'r'.repeat(10_000) } }));
    expect((await failure()).providerRequestId).toBe('r'.repeat(200));
  });

  it('that quotes the prompt has a reason without it, for the log; with `logPrompts` as it is', async () => {
    server.always(openAiError('moderation_blocked', { message: `Refused: "${CALL.prompt}" is not allowed.` }));
    const hidden = await failure();
    expect(hidden.message).toContain('"a lighthouse"');
    expect(hidden.reason).toContain('Refused: "[prompt]" is not allowed.');
    const shown = await failure({ logPrompts: true });
    expect(shown.reason).toBe(shown.message);
  });

  it('to the question for models is as short, and reveals no key either', async () => {
    const message = `${'-'.repeat(230)} ${LONG_KEY}`;
    server.scriptModels(openAiError('invalid_api_key', { message }));
    const list = provider({ maskSecrets: createSecretMask([LONG_KEY]).mask });
    const error: unknown = await list
      .shutdownDates?.(AbortSignal.timeout(LONGEST_WAIT_MS))
      .catch((reason: unknown) => reason);
    expect(error).toMatchObject({ fault: 'account', message: expect.stringMatching(/-{200} \[secret\]/) });
  });

  it('keeps its text where there is no API key', async () => {
    await using open = await startOpenAiServer({ key: null });
    open.always(textError(400, 'none of these'));
    expect((await failure({ apiKey: null, baseURL: open.baseUrl })).message).toContain('none of these');
  });
});

describe('a response that fails to arrive', () => {
  it.each([
    ['a connection closed at once', dropConnection('close'), 'interrupted'],
    ['a connection reset', dropConnection('reset'), 'interrupted'],
    ['a body that breaks off', picture({ cut: { after: { bytes: 1000 }, by: 'reset' } }), 'interrupted'],
    ['no response at all', hang(), 'timeout'],
    ['headers without a body', picture({ cut: { after: 'headers', by: 'hang' } }), 'timeout'],
    ['a body that stalls', picture({ cut: { after: { bytes: 1000 }, by: 'hang' } }), 'timeout'],
    ['an error whose body stalls', openAiError('server_error', { cut: { after: 'headers', by: 'hang' } }), 'timeout'],
    ['a body of 200 MB', giantBody(), 'empty'],
    ['a gzip bomb of 1 GiB', gzipBomb(), 'empty'],
  ] as const)('%s may have been billed, and leaves no connection open', async (_, behaviour, fault) => {
    const own = createTransport({ maxResponseBytes: MAX_BYTES });
    try {
      const before = server.openSockets;
      server.always(behaviour);
      // Short only where the timeout is what ends the call.
      const timeoutMs = fault === 'timeout' ? 500 : 10_000;
      expect(await failure({ timeoutMs, transport: own })).toMatchObject({ fault, outcome: 'unknown' });
      await server.until(() => server.openSockets <= before);
    } finally {
      await own.close();
    }
  });

  it('is not read beyond the size limit', async () => {
    let sent = 0;
    const megabyte = Buffer.alloc(1024 * 1024, 'A');
    server.always(
      answer({
        type: 'application/json',
        body: {
          *[Symbol.iterator]() {
            for (yield '{"data":[{"b64_json":"'; sent < 500; sent++) yield megabyte;
          },
        },
      }),
    );
    expect((await failure()).fault).toBe('empty');
    await server.abandoned(1);
    // More than the limit of 8 MiB, because of the sockets' buffers.
    expect(sent).toBeLessThan(50);
  });

  it('has not been billed where the server could not be reached', async () => {
    const gone = await startOpenAiServer();
    await gone.close();
    const error = await failure({ baseURL: gone.baseUrl });
    expect(error).toMatchObject({ fault: 'unreachable', outcome: 'failed' });
    expect(error.message).toContain('ECONNREFUSED');
  });

  it('has not been billed where the connection was not made in time', async () => {
    const cause = Object.assign(new Error('Connect Timeout Error'), { code: 'UND_ERR_CONNECT_TIMEOUT' });
    const fetch = () => Promise.reject(new TypeError('fetch failed', { cause }));
    const transport = { ...createTransport({ maxResponseBytes: MAX_BYTES }), fetch };
    expect(await failure({ transport })).toMatchObject({ fault: 'unreachable', outcome: 'failed' });
  });
});

describe('a request', () => {
  const generate = (some: Partial<OpenAIOptions> = {}) => provider(some).generate(CALL, callOptions());

  it('leaves out the omitted parameters', async () => {
    server.strict = false;
    try {
      await generate({ omit: ['size', 'n', 'output_format'] });
    } finally {
      server.strict = true;
    }
    expect(server.calls[0]?.body).toEqual({
      model: 'gpt-image-2',
      prompt: 'a lighthouse',
      quality: 'low',
      background: 'auto',
    });
  });

  it('has the path, key header and version of Azure', async () => {
    await generate({ baseURL: server.origin, azureApiVersion: '2025-04-01-preview' });
    expect(server.calls[0]).toMatchObject({
      path: '/openai/deployments/gpt-image-2/images/generations?api-version=2025-04-01-preview',
      headers: { 'api-key': server.key },
    });
    expect(server.calls[0]?.headers.authorization).toBeUndefined();
  });

  it('for the models and their shutdown dates has a time limit, too', async () => {
    server.scriptModels(hang());
    const dates = provider({ timeoutMs: 200 }).shutdownDates?.(new AbortController().signal);
    await expect(dates).rejects.toThrow();
    await server.until(() => server.otherCalls[0]?.ending === 'client_left');
  });

  it.each([
    ['the rate limit is used up', { remaining: 0, resetMs: 90_000 }, 90_000],
    ['requests remain: none', { remaining: 3, resetMs: 90_000 }, null],
  ])('reports the pause where %s', async (_, { remaining, resetMs }, pauseMs) => {
    server.always(picture({ headers: rateLimitHeaders({ of: 'images', limit: 5, remaining, resetMs }) }));
    expect(await generate()).toMatchObject({ pauseMs });
  });
});
