import { describe } from 'vitest';
import { startEasel } from '../../support/app/easel.ts';
import { bearer, TEST_KEYS } from '../../support/test-keys.ts';
import { type DialectServer, describeConformance } from './describe-conformance.ts';

async function startDialect(): Promise<DialectServer> {
  const easel = await startEasel({ env: { API_KEYS: TEST_KEYS } });
  const key = bearer('blog').authorization.replace('Bearer ', '');
  return { baseUrl: `${easel.url}/v1`, key, [Symbol.asyncDispose]: () => easel[Symbol.asyncDispose]() };
}

describe('Easel itself', () => {
  describeConformance(startDialect, { edits: true });
});
