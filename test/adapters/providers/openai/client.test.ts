import { afterEach, expect, it, vi } from 'vitest';
import { CALL, type OpenAiAdapter, startOpenAiAdapter } from '../../../support/openai/adapter.ts';

afterEach(() => vi.unstubAllEnvs());

const SIGNALS = { cancelled: new AbortController().signal, abandoned: new AbortController().signal };

async function sentHeaders(adapter: OpenAiAdapter, options: Parameters<OpenAiAdapter['provider']>[0]) {
  await adapter.provider(options).generate(CALL, SIGNALS);
  return adapter.server.calls.at(-1)?.headers ?? {};
}

it('sends the headers of OPENAI_CUSTOM_HEADERS to the provider openai, and to no other', async () => {
  vi.stubEnv('OPENAI_CUSTOM_HEADERS', 'x-gateway-key: secret of the gateway\nx-team: blog');
  await using adapter = await startOpenAiAdapter();
  const own = await sentHeaders(adapter, { name: 'openai' });
  expect(own).toMatchObject({ 'x-gateway-key': 'secret of the gateway', 'x-team': 'blog' });
  const azure = { name: 'azure-eu', baseURL: adapter.server.origin, azureApiVersion: '2025-04-01-preview' };
  for (const other of [{ name: 'backup' }, azure]) {
    const sent = await sentHeaders(adapter, other);
    expect(sent).not.toHaveProperty('x-gateway-key');
    expect(sent).not.toHaveProperty('x-team');
  }
  expect(process.env.OPENAI_CUSTOM_HEADERS).toContain('x-team');
});
