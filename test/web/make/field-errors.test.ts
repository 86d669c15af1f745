import { describe, expect, it } from 'vitest';
import { errorsByField } from '../../../src/web/make/field-errors.ts';
import { ServiceError } from '../../../src/web/service/service-error.ts';
import type { ProblemCode } from '../../../src/web/service/types.ts';

function refused(code: ProblemCode, errors: readonly { path: string; message: string }[]) {
  const problem = {
    type: 'about:blank',
    title: '',
    status: 400,
    detail: '',
    code,
    requestId: 'r',
    errors: [...errors],
  };
  return errorsByField(new ServiceError(problem as never));
}

describe('errors at fields', () => {
  it('stand at the field that they are about, and at no other', () => {
    const errorOf = refused('invalid_request', [{ path: 'size', message: 'is too large' }]);
    expect(errorOf('size')).toBe('is too large');
    expect(errorOf('style')).toBeUndefined();
  });

  it('of an item stand at its list, with the line', () => {
    const errorOf = refused('invalid_request', [
      { path: 'brief.avoid.2', message: 'is too long' },
      { path: 'renditions.0', message: 'is no rendition' },
    ]);
    expect(errorOf('brief.avoid')).toBe('Line 3: is too long');
    expect(errorOf('renditions')).toBe('is no rendition');
  });

  it('of a picture to start from stand at that picture, not at all of them', () => {
    const errorOf = refused('unsupported_parameter', [{ path: 'inputs.1', message: 'is too small' }]);
    expect(errorOf('inputs.1')).toBe('is too small');
    expect(errorOf('inputs')).toBeUndefined();
  });

  it('say at the name that it is taken', () => {
    expect(refused('media_id_conflict', [])('mediaId')).toContain('taken');
  });
});
