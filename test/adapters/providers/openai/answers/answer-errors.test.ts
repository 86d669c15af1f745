import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { callOptions } from '../../../../support/generation.ts';
import { CALL, type OpenAiAdapter, startOpenAiAdapter } from '../../../../support/openai/adapter.ts';
import { answer, type Behaviour, openAiError } from '../../../../support/openai/answers.ts';
import type { OpenAiErrorName } from '../../../../support/openai/dialect.ts';

let adapter: OpenAiAdapter;
beforeAll(async () => {
  adapter = await startOpenAiAdapter();
});
afterAll(() => adapter[Symbol.asyncDispose]());
beforeEach(() => adapter.server.reset());

const okay = (name: OpenAiErrorName) => openAiError(name, { status: 200 });
const json = (body: unknown) => answer({ json: body });
const fastApiDetail = [{ loc: ['body', 'size'], msg: 'value is not a valid size' }];

describe('an error in the body of a 200', () => {
  it.each([
    [okay('moderation_blocked'), 'refused', 'safety system'],
    [okay('content_policy_violation'), 'refused', 'safety system'],
    [okay('billing_hard_limit_reached'), 'account', 'Billing hard limit'],
    [okay('invalid_api_key'), 'account', 'Incorrect API key'],
    [okay('model_not_found'), 'rejected', 'does not exist'],
    [okay('conflict'), 'rejected', 'conflicts'],
    [okay('insufficient_quota'), 'account', 'exceeded your current quota'],
    [okay('credit_balance_exhausted'), 'account', 'credit balance'],
    [okay('rate_limit_exceeded'), 'rate_limited', 'Rate limit reached'],
    [okay('slow_down'), 'rate_limited', 'slow down'],
    [okay('server_error'), 'overloaded', 'had an error'],
    [okay('server_is_overloaded'), 'overloaded', 'overloaded'],
    [json({ error: { type: 'invalid_request_error', message: 'bad size' } }), 'rejected', 'bad size'],
    [json({ error: { type: 'server_error', code: 'odd' } }), 'overloaded', 'odd'],
    [json({ error: { code: 429, message: 'busy' } }), 'rate_limited', 'busy'],
    [json({ error: { code: '401', message: 'no' } }), 'account', 'no'],
    [json({ error: { code: 504, message: 'late' } }), 'gateway', 'late'],
    [json({ status: 400, detail: 'too long' }), 'rejected', 'too long'],
    [json({ status: 429, error: { message: 'busy' } }), 'rate_limited', 'busy'],
    [json({ status_code: 503, error: 'no engine' }), 'overloaded', 'no engine'],
    [json({ detail: fastApiDetail }), 'rejected', 'body.size: value is not a valid size'],
    [json({ data: [], error: { code: 'moderation_blocked' } }), 'refused', 'moderation_blocked'],
    [json({ error: 'something broke' }), 'empty', 'something broke'],
    [json({ error: { code: 'never_seen', message: 'hm' } }), 'empty', 'hm (never_seen)'],
    [json({ detail: 'hm' }), 'empty', 'hm'],
    [json({ error: { code: 200, message: 'odd' } }), 'empty', 'odd'],
  ] as const)('$name is handled as with its natural status', async (behaviour: Behaviour, fault, text) => {
    const { server } = adapter;
    server.always(behaviour);
    const error: unknown = await adapter
      .provider()
      .generate(CALL, callOptions())
      .catch((reason: unknown) => reason);
    const providerRequestId = server.calls[0]?.requestId;
    expect(error).toMatchObject({ name: 'ProviderError', fault, httpStatus: 200, providerRequestId });
    expect(error).toMatchObject({ message: expect.stringContaining(text) });
    expect(server.calls).toHaveLength(1);
  });
});
