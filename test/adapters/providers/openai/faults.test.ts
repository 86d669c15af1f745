import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import {
  createOpenAIProvider,
  type OpenAIProviderOptions,
} from '../../../../src/adapters/providers/openai/provider.ts';
import { createTransport, type Transport } from '../../../../src/adapters/providers/transport.ts';
import { ProviderError } from '../../../../src/core/domain/errors.ts';
import { CATALOG } from '../../../../src/core/models/catalog.ts';
import type { GenerationCall, Provider } from '../../../../src/core/ports/provider.ts';
import { hostOf } from '../../../../src/security/allow-list.ts';
import { createGuardedFetch, type GuardedFetch } from '../../../../src/security/ssrf-guard.ts';
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
import { type OpenAiServer, startOpenAiServer } from '../../../support/openai/server.ts';

const MODEL = CATALOG.get('gpt-image-2');
if (!MODEL) throw new Error('the catalog has lost its standard model');
const CALL: GenerationCall = {
  model: MODEL,
  prompt: 'a lighthouse',
  size: { width: 1024, height: 1024 },
  quality: 'low',
  style: null,
  background: 'auto',
  format: 'png',
};
/** Enough for the stand-in's pictures of this size. */
const LIMIT = 8 * 1024 * 1024;

let server: OpenAiServer;
let transport: Transport;
let guard: GuardedFetch;

beforeAll(async () => {
  server = await startOpenAiServer();
  transport = createTransport({ maxResponseBytes: LIMIT });
  guard = createGuardedFetch({ allow: [hostOf(server.baseUrl)] });
});
afterAll(async () => {
  await transport.close();
  await guard.close();
  await server.close();
});
beforeEach(() => server.reset());

function provider(some: Partial<OpenAIProviderOptions> = {}): Provider {
  return createOpenAIProvider({
    name: 'openai',
    apiKey: server.key,
    baseURL: server.baseUrl,
    azureApiVersion: null,
    model: (id) => CATALOG.get(id) ?? null,
    omit: [],
    controlSequences: [],
    timeoutMs: 10_000,
    transport,
    guard,
    maxPictureBytes: LIMIT,
    clock: { now: () => Date.parse('2026-11-23T12:00:00Z'), sleep: async () => undefined },
    ...some,
  });
}

/** The error that a call ends with. */
async function failure(some: Partial<OpenAIProviderOptions> = {}): Promise<ProviderError> {
  const error: unknown = await provider(some)
    .generate(CALL, { signal: new AbortController().signal })
    .then(
      () => new Error('a picture came'),
      (reason: unknown) => reason,
    );
  if (error instanceof ProviderError) return error;
  throw error;
}

const fastApiDetail = [{ loc: ['body', 'size'], msg: 'value is not a valid size' }];
const redirect = answer({ status: 307, headers: { location: 'http://127.0.0.1:1/v1/images/generations' } });
const wrong = (status: number, json: unknown) => answer({ status, json });

describe('an answer of failure', () => {
  it.each([
    // The table of OpenAI's errors, row by row.
    [openAiError('moderation_blocked'), 'refused', 400, 'rejected by the safety system'],
    [openAiError('content_policy_violation'), 'refused', 400, 'safety system'],
    [openAiError('billing_hard_limit_reached'), 'account', 400, 'Billing hard limit'],
    [
      wrong(400, { error: { message: "Unknown parameter: 'style'.", code: 'unknown_parameter' } }),
      'rejected',
      400,
      'style',
    ],
    [wrong(400, { error: { message: "Invalid size '1x1'.", type: 'invalid_request_error' } }), 'rejected', 400, '1x1'],
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
      wrong(400, { error: { code: 'contentFilter', message: 'Your task failed.' } }),
      'refused',
      400,
      'Your task failed',
    ],
    [
      wrong(400, { error: { code: '400', message: 'No.', innererror: { code: 'ResponsibleAIPolicyViolation' } } }),
      'refused',
      400,
      'ResponsibleAIPolicyViolation',
    ],
    [azureError('accessDenied'), 'account', 401, 'Access denied'],
    [azureError('resourceBlocked'), 'account', 403, 'temporarily blocked'],
    [azureError('deploymentNotFound'), 'rejected', 404, 'does not exist'],
    [azureError('tooManyRequests'), 'rate_limited', 429, 'call rate limit'],
    [azureError('internalError'), 'overloaded', 500, 'unexpected response'],
    [wrong(401, { statusCode: 401, message: 'Token expired' }), 'account', 401, 'Token expired'],
    // Compatible servers and proxies.
    [vllmError(400, 'prompt is too long'), 'rejected', 400, 'prompt is too long'],
    [vllmError(422, fastApiDetail), 'rejected', 422, 'body.size: value is not a valid size'],
    [vllmError(503, 'engine is dead'), 'overloaded', 503, 'engine is dead'],
    [wrong(400, { object: 'error', message: 'bad size', code: 40001 }), 'rejected', 400, 'bad size (40001)'],
    [wrong(404, { error: 'model "x" not found' }), 'rejected', 404, 'model "x" not found'],
    [wrong(400, ['odd']), 'rejected', 400, '["odd"]'],
    [textError(429, 'too many\nrequests'), 'rate_limited', 429, 'too many requests'],
    [textError(402, 'Payment Required'), 'account', 402, 'Payment Required'],
    [htmlPage(502), 'overloaded', 502, 'an HTML page, "502"'],
    [htmlPage(404), 'rejected', 404, 'an HTML page, "404"'],
    [answer({ status: 408 }), 'overloaded', 408, 'without a body'],
    [redirect, 'rejected', 307, 'without a body'],
    [openAiError('server_error', { cut: { after: 'headers', by: 'reset' } }), 'overloaded', 500, 'without a body'],
  ] as const)('$name is of its kind, and says why', async (behaviour: Behaviour, fault, httpStatus, text) => {
    server.always(behaviour);
    const error = await failure();
    expect(error).toMatchObject({ fault, httpStatus, outcome: 'failed' });
    expect(error.message).toContain(text);
    expect(server.calls).toHaveLength(1);
  });

  it.each([
    ['retry-after', '7', 7000],
    ['retry-after', 'Mon, 23 Nov 2026 12:00:30 GMT', 30_000],
    ['retry-after', '-7', 0],
    ['retry-after', '99999999999', 99_999_999_999_000],
    ['retry-after-ms', '250', 250],
  ])('tells what it asks to wait: %s %s', async (header, value, retryAfterMs) => {
    server.always(openAiError('slow_down', { headers: { [header]: value } }));
    expect(await failure()).toMatchObject({ retryAfterMs });
  });

  it.each([
    ['the key itself', (key: string) => key],
    ['the key inside a word', (key: string) => `Bearer-${key}-x`],
    ['the ends of the key', (key: string) => `${key.slice(0, 3)}********${key.slice(-4)}`],
    ['the ends of another kind of key', () => 'f00d************cafe'],
  ])('never holds %s', async (_, quoted) => {
    const key = server.key ?? '';
    server.always(openAiError('invalid_api_key', { message: `Wrong: ${quoted(key)}.` }));
    const error = await failure();
    expect(error.message).toContain('[key]');
    for (const secret of [key, key.slice(-4), 'cafe']) expect(error.message).not.toContain(secret);
    expect(error.cause).toBeUndefined();
  });

  it('is not garbled where there is no key to keep secret', async () => {
    await using open = await startOpenAiServer({ key: null });
    open.always(textError(400, 'none of these'));
    expect((await failure({ apiKey: null, baseURL: open.baseUrl })).message).toContain('none of these');
  });
});

describe('no answer', () => {
  it.each([
    ['a connection closed at once', dropConnection('close'), 'interrupted'],
    ['a connection reset', dropConnection('reset'), 'interrupted'],
    ['a body cut off', picture({ cut: { after: { bytes: 1000 }, by: 'reset' } }), 'interrupted'],
    ['silence', hang(), 'timeout'],
    ['headers and then silence', picture({ cut: { after: 'headers', by: 'hang' } }), 'timeout'],
    ['part of a body and then silence', picture({ cut: { after: { bytes: 1000 }, by: 'hang' } }), 'timeout'],
    ['an error and then silence', openAiError('server_error', { cut: { after: 'headers', by: 'hang' } }), 'timeout'],
    ['200 MB', giantBody(), 'empty'],
    ['a gzip bomb of 1 GiB', gzipBomb(), 'empty'],
  ] as const)('%s may have been billed, and leaves no connection behind', async (_, behaviour, fault) => {
    const own = createTransport({ maxResponseBytes: LIMIT });
    try {
      const before = server.openSockets;
      server.always(behaviour);
      // Short only where it is what ends the call.
      const timeoutMs = fault === 'timeout' ? 500 : 10_000;
      expect(await failure({ timeoutMs, transport: own })).toMatchObject({ fault, outcome: 'unknown' });
      await server.until(() => server.openSockets <= before);
    } finally {
      await own.close();
    }
  });

  it('to the question for the file that the answer names ends that question, too', async () => {
    server.always(picture({ as: 'url', file: hang() }));
    expect(await failure({ timeoutMs: 500 })).toMatchObject({ fault: 'timeout', outcome: 'unknown' });
    await server.until(() => server.otherCalls[0]?.ending === 'client_left');
  });

  it('of more than is allowed is cut off there, not read to its end', async () => {
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
    // What the sockets' own buffers hold comes on top.
    expect(sent).toBeLessThan(50);
  });

  it('cannot have been billed where nothing was sent', async () => {
    const gone = await startOpenAiServer();
    await gone.close();
    const error = await failure({ baseURL: gone.baseUrl });
    expect(error).toMatchObject({ fault: 'unreachable', outcome: 'failed' });
    expect(error.message).toContain('ECONNREFUSED');
  });
});

describe('a call', () => {
  const generate = (some: Partial<OpenAIProviderOptions> = {}) =>
    provider(some).generate(CALL, { signal: new AbortController().signal });

  it('leaves out what the server does not know', async () => {
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

  it('goes to Azure by its paths, with its key header and version', async () => {
    await generate({ baseURL: server.origin, azureApiVersion: '2025-04-01-preview' });
    expect(server.calls[0]).toMatchObject({
      path: '/openai/deployments/gpt-image-2/images/generations?api-version=2025-04-01-preview',
      headers: { 'api-key': server.key },
    });
    expect(server.calls[0]?.headers.authorization).toBeUndefined();
  });

  it.each([
    ['the next call has to wait', { remaining: 0, resetMs: 90_000 }, 90_000],
    ['there is room left', { remaining: 3, resetMs: 90_000 }, null],
  ])('tells when %s', async (_, { remaining, resetMs }, pauseMs) => {
    server.always(picture({ headers: rateLimitHeaders({ of: 'images', limit: 5, remaining, resetMs }) }));
    expect(await generate()).toMatchObject({ pauseMs });
  });
});
