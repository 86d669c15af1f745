import { describe, expect, test } from 'vitest';
import { failureProblem, problem, toProblem } from '../../src/api/problem.ts';
import { isProblemCode, PROBLEMS } from '../../src/api/problem-kinds.ts';
import { exampleImage } from '../support/app/fake-images.ts';

describe('the list of codes', () => {
  const codes = Object.keys(PROBLEMS).filter(isProblemCode);

  test.each(codes)('%s makes a problem that matches the schema and has the status of the list', (code) => {
    const made = problem.parse(toProblem({ code, detail: 'd' }, '/x', 'id'));
    expect(made).toMatchObject({ code, status: PROBLEMS[code].status, type: `urn:easel:problem:${code}` });
  });

  test('every 429 and 503 has a Retry-After', () => {
    const retryable = codes.filter((code) => [429, 503].includes(PROBLEMS[code].status));
    expect(retryable).toHaveLength(6);
    for (const code of retryable) expect(toProblem({ code, detail: '' }, '/', '').retryAfter).toBeGreaterThan(0);
  });

  test('isProblemCode refuses other names, inherited properties included', () => {
    expect(['toString', '__proto__', ''].filter(isProblemCode)).toEqual([]);
  });
});

describe('the problem of a failed image', () => {
  test.each([
    ['has the code and detail of its record', { code: 'provider_failed', detail: 'no' }, 'provider_failed', 'no'],
    [
      'is an internal_error for a code that is not on the list',
      { code: 'toString', detail: 'no' },
      'internal_error',
      'no',
    ],
    [
      'is an internal_error without an error on record',
      null,
      'internal_error',
      expect.stringContaining('does not say why'),
    ],
  ])('%s', (_what, error, code, detail) => {
    const image = exampleImage({ mediaId: 'a', status: 'failed', error });
    expect(failureProblem(image)).toEqual({ code, detail, mediaId: 'a' });
  });
});
