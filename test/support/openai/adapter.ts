import { createOpenAICalls, type OpenAICallOptions } from '../../../src/adapters/providers/openai/calls.ts';
import { createOpenAIProvider, type OpenAIProviderOptions } from '../../../src/adapters/providers/openai/provider.ts';
import { createTransport } from '../../../src/adapters/providers/transport.ts';
import { CATALOG, unlistedModel } from '../../../src/core/models/catalog.ts';
import type { GenerationCall, Provider } from '../../../src/core/ports/provider.ts';
import { hostOf } from '../../../src/security/allow-list.ts';
import { createSecretMask } from '../../../src/security/secret-mask.ts';
import { createGuardedFetch } from '../../../src/security/ssrf-guard.ts';
import { LONGEST_WAIT_MS } from '../until.ts';
import { type OpenAiServer, startOpenAiServer } from './server.ts';

/** Bytes; more than the stand-in's pictures of `CALL`. */
export const MAX_BYTES = 8 * 1024 * 1024;

/** A call that the stand-in accepts. */
export const CALL: GenerationCall = {
  model: CATALOG.get('gpt-image-2') ?? unlistedModel('gpt-image-2'),
  prompt: 'a lighthouse',
  size: { width: 1024, height: 1024 },
  quality: 'low',
  style: null,
  background: 'auto',
  format: 'png',
  partialImages: 0,
};

/** The options of a provider that makes its calls on this thread. */
export type OpenAIOptions = OpenAICallOptions & Omit<OpenAIProviderOptions, 'calls'>;

/** A provider that makes its calls on this thread. */
export function openAIProvider(options: OpenAIOptions): Provider {
  return createOpenAIProvider({ ...options, calls: createOpenAICalls(options) });
}

export interface OpenAiAdapter extends AsyncDisposable {
  readonly server: OpenAiServer;
  /** A provider that calls the stand-in, with these options instead of the usual ones. */
  provider(some?: Partial<OpenAIOptions>): Provider;
}

/** The adapter, and a stand-in for it to call; nothing else is reached, unless `reach` names it. */
export async function startOpenAiAdapter(reach: readonly string[] = []): Promise<OpenAiAdapter> {
  const server = await startOpenAiServer();
  const transport = createTransport({ maxResponseBytes: MAX_BYTES });
  const guard = createGuardedFetch({ allow: [server.baseUrl, ...reach].map(hostOf) });
  return {
    server,
    provider: (some = {}) =>
      openAIProvider({
        name: 'openai',
        apiKey: server.key,
        baseURL: server.baseUrl,
        azureApiVersion: null,
        model: (id) => CATALOG.get(id) ?? null,
        omit: [],
        edits: true,
        streaming: true,
        controlSequences: [],
        timeoutMs: LONGEST_WAIT_MS,
        transport,
        guard,
        maxPictureBytes: MAX_BYTES,
        maskSecrets: createSecretMask([server.key ?? '']).mask,
        logPrompts: false,
        clock: { now: () => Date.parse('2026-11-23T12:00:00Z'), monotonic: () => 0 },
        ...some,
      }),
    async [Symbol.asyncDispose]() {
      await transport.close();
      await guard.close();
      await server.close();
    },
  };
}
