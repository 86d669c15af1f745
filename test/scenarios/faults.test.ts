/** Calls that fail, from request to record: what may have been billed is counted and bounded, what is known not to be is neither. */

import { describe, expect, it } from 'vitest';
import { startEasel } from '../support/app/easel.ts';
import { refusingPort } from '../support/network/refusing-port.ts';
import { answer, type Behaviour, htmlPage, openAiError, picture, vllmError } from '../support/openai/answers.ts';

const X = { mediaId: 'x', prompt: 'a lighthouse', quality: 'high' };

describe('an answer that may come from a gateway after the model began', () => {
  it.each([
    ['a 502 page', htmlPage(502), 502],
    ['a 504 page', htmlPage(504), 504],
    ['a 504 in the shape of the API', openAiError('server_error', { status: 504 }), 504],
    ['a 524 page', htmlPage(524), 524],
    ['a 500 page', htmlPage(500), 500],
    ['a 503 without a body', answer({ status: 503, body: '' }), 503],
    ['a 500 that breaks off', openAiError('server_error', { cut: { after: { bytes: 9 }, by: 'close' } }), 500],
  ])(
    '%s has an unknown outcome, is repeated as often as is allowed, and is counted at its estimate',
    async (_, behaviour, httpStatus) => {
      await using easel = await startEasel({ env: { AMBIGUOUS_RETRIES: '1' } });
      easel.upstream.always(behaviour);
      const { status, body } = await easel.post(X);
      expect([status, body.code]).toEqual([502, 'provider_failed']);
      const record = await easel.record('x');
      expect(record.attempts).toMatchObject([
        { outcome: 'unknown', httpStatus },
        { outcome: 'unknown', httpStatus },
      ]);
      expect(record.cost.basis).toBe('estimate');
      expect(record.cost.usd).toBeGreaterThan(0.2);
      await easel.post(X);
      expect(easel.upstream.calls).toHaveLength(2);
    },
  );
});

describe('an answer that is known not to be billed', () => {
  it.each([
    ['a 500 of the API', openAiError('server_error')],
    ['a 503 of the API', openAiError('server_is_overloaded')],
    ['a 500 of another server', vllmError(500, 'out of memory')],
    ['a 521 page', htmlPage(521)],
  ])(
    '%s is repeated up to RETRY_MAX_ATTEMPTS, costs nothing, and the same request runs again',
    async (_, behaviour) => {
      await using easel = await startEasel({ env: { RETRY_MAX_ATTEMPTS: '3' } });
      easel.upstream.script(behaviour, behaviour, behaviour);
      expect((await easel.post(X)).status).toBe(502);
      const record = await easel.record('x');
      expect(record.attempts.map(({ outcome }) => outcome)).toEqual(['failed', 'failed', 'failed']);
      expect(record.cost).toEqual({ usd: 0, basis: 'none' });
      expect((await easel.post(X)).status).toBe(201);
    },
  );

  it.each([
    ['is refused', refusingPort],
    // Fetch sends nothing to ports that the WHATWG's fetch standard blocks.
    ['is never tried', async () => ({ port: 1, async [Symbol.asyncDispose]() {} })],
  ])('nor does a call cost anything whose connection %s', async (_, hold) => {
    await using held = await hold();
    const OPENAI_BASE_URL = `http://127.0.0.1:${held.port}/v1`;
    await using easel = await startEasel({ env: { RETRY_MAX_ATTEMPTS: '2', OPENAI_BASE_URL } });
    expect((await easel.post(X)).status).toBe(502);
    const record = await easel.record('x');
    expect(record.attempts).toMatchObject([{ outcome: 'failed', httpStatus: null }, { outcome: 'failed' }]);
    expect(record.cost).toEqual({ usd: 0, basis: 'none' });
  });
});

describe('a server that refuses to stream', () => {
  /** The calls and the record of an image that somebody listens to from before its call. */
  async function listenedTo(refusal: Behaviour) {
    await using easel = await startEasel({ env: { CONCURRENCY: '1', RETRY_MAX_ATTEMPTS: '1' }, skipMs: 10_000 });
    const gate = easel.upstream.gate();
    easel.upstream.script(picture({ beforeHeaders: gate }), refusal);
    await easel.post({ ...X, mediaId: 'first' }, { prefer: 'respond-async' });
    await gate.reached();
    await easel.post(X, { prefer: 'respond-async' });
    const stream = await easel.listen('x');
    gate.open();
    await stream.rest();
    const streamed = easel.upstream.calls.slice(1).map(({ body }) => body.stream === true);
    return { record: await easel.record('x'), streamed };
  }

  it('is called again without streaming, beyond the attempts that are allowed, and every call is on record', async () => {
    const { record, streamed } = await listenedTo(badRequest({ param: 'stream' }));
    expect(streamed).toEqual([true, false]);
    expect(record.status).toBe('succeeded');
    expect(record.attempts).toMatchObject([
      { outcome: 'failed', httpStatus: 400 },
      { outcome: 'ok', httpStatus: 200 },
    ]);
  });

  it('is not meant by a refusal whose words alone hold the parameter: nothing is sent again', async () => {
    const { record, streamed } = await listenedTo(
      badRequest({ param: 'size', message: 'with stream and partial_images only square sizes can be made' }),
    );
    expect(streamed).toEqual([true]);
    expect(record).toMatchObject({ status: 'failed', attempts: [{ outcome: 'failed', httpStatus: 400 }] });
  });
});

function badRequest(error: { readonly param: string; readonly message?: string }): Behaviour {
  return openAiError('server_error', {
    status: 400,
    code: 'unknown_parameter',
    type: 'invalid_request_error',
    ...error,
  });
}
