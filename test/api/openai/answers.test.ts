import { describe, expect, test } from 'vitest';
import { toOpenAiModels, toUsage } from '../../../src/api/openai/answers.ts';
import { toOpenAiError } from '../../../src/api/openai/errors.ts';
import { PROBLEMS, type ProblemCode } from '../../../src/api/problem-kinds.ts';
import type { Attempt } from '../../../src/core/domain/image.ts';
import { CATALOG } from '../../../src/core/models/catalog.ts';
import { exampleImage } from '../../support/app/fake-images.ts';

describe('the usage of an answer', () => {
  const attempt = (usage?: Attempt['usage']): Attempt => ({
    id: 'a',
    run: 1,
    provider: 'openai',
    model: 'gpt-image-2',
    startedAt: '2026-11-23T16:02:11.000Z',
    durationMs: 1,
    outcome: usage ? 'ok' : 'failed',
    httpStatus: 200,
    providerRequestId: null,
    cost: { usd: 0, basis: 'none' },
    announced: null,
    ...(usage && { usage }),
  });

  test('is the sum over the calls of all pictures, as far as it was reported', () => {
    const usage = { textInput: 10, imageInput: 200, cachedInput: 5, output: 1_000 };
    const images = [
      exampleImage({ attempts: [attempt(), attempt(usage)] }),
      exampleImage({ attempts: [attempt(usage)] }),
    ];
    expect(toUsage(images)).toEqual({
      input_tokens: 420,
      input_tokens_details: { text_tokens: 20, image_tokens: 400, cached_tokens: 10 },
      output_tokens: 2_000,
      total_tokens: 2_420,
    });
  });
});

describe('the models of the dialect', () => {
  test('are each once, of the first provider, without those that are shut down', () => {
    const model = CATALOG.get('gpt-image-2');
    const retired = CATALOG.get('dall-e-3');
    if (!model || !retired) throw new Error('the catalog lacks a model of this test');
    const offered = [
      { model, provider: 'openai', usable: false },
      { model: retired, provider: 'openai', usable: false },
      { model, provider: 'azure', usable: true },
    ];
    expect(toOpenAiModels(offered, Date.UTC(2026, 10, 27))).toEqual({
      object: 'list',
      data: [{ id: 'gpt-image-2', object: 'model', created: 0, owned_by: 'openai', shutdown_date: null }],
    });
  });
});

describe('the error for a problem', () => {
  test.each(Object.keys(PROBLEMS) as ProblemCode[])('%s has a status, a type, a code and its detail', (code) => {
    const { status, error, retryAfter } = toOpenAiError({ code, detail: 'so it is' });
    expect(status).toBeGreaterThanOrEqual(400);
    expect(error).toEqual({ message: 'so it is', type: expect.any(String), code: expect.any(String), param: null });
    expect(retryAfter).toBe(PROBLEMS[code].retryAfter ?? null);
    if (status >= 500) expect(error.type).toBe('server_error');
  });

  test('names the first wrong parameter as the dialect does, and all of them in its message', () => {
    const errors = [
      { path: 'format', message: 'must be png' },
      { path: 'inputs.1', message: 'is no picture' },
    ];
    expect(toOpenAiError({ code: 'invalid_request', detail: 'wrong', errors }).error).toMatchObject({
      param: 'output_format',
      message: 'output_format: must be png; image.1: is no picture',
    });
  });

  test('says what the detail adds to the list of errors, once', () => {
    const errors = [{ path: 'inputs.1', message: 'at most 16 inputs' }];
    const messageOf = (detail: string) =>
      toOpenAiError({ code: 'unsupported_parameter', detail, errors }).error.message;
    expect(messageOf('17 were given')).toBe('17 were given (image.1: at most 16 inputs)');
    expect(messageOf('inputs.1: at most 16 inputs')).toBe('image.1: at most 16 inputs');
  });
});
