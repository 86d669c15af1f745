import {
  createOpenAIProvider,
  type OpenAIProviderOptions,
} from '../../../../src/adapters/providers/openai/provider.ts';
import { createTransport } from '../../../../src/adapters/providers/transport.ts';
import type { ProviderFault } from '../../../../src/core/domain/errors.ts';
import type { Model } from '../../../../src/core/domain/model.ts';
import { CATALOG, unlistedModel } from '../../../../src/core/models/catalog.ts';
import type { GenerationCall } from '../../../../src/core/ports/provider.ts';
import { createGuardedFetch } from '../../../../src/security/ssrf-guard.ts';
import {
  describeProvider,
  type ProviderFixture,
  type ProviderTraits,
  type SentParameters,
} from '../../../contracts/provider.ts';
import { type Behaviour, brokenAnswer, dropConnection, hang, openAiError } from '../../../support/openai/answers.ts';
import type { Call } from '../../../support/openai/call.ts';
import { startOpenAiServer } from '../../../support/openai/server.ts';
import { LONGEST_WAIT_MS } from '../../../support/until.ts';

const TRAITS: ProviderTraits = {
  faults: [
    ['refused', 400],
    ['rejected', 404],
    ['account', 401],
    ['rate_limited', 429],
    ['overloaded', 500],
    ['gateway', 504],
    ['unreachable', null],
    ['interrupted', null],
    ['timeout', null],
    ['empty', 200],
  ],
  shutdownDates: new Map([
    ['gpt-image-1-mini', '2026-12-01'],
    ['gpt-image-1.5', '2026-12-01'],
    ['chatgpt-image-latest', '2026-12-01'],
  ]),
};

const LISTED = CATALOG.get('gpt-image-2') ?? unlistedModel('gpt-image-2');

describeProvider('openai', () => createFixture(LISTED, { strict: true, omit: [] }), TRAITS);

/** A model of a compatible server: it has styles, and the server does not accept a size. */
const COMPATIBLE: Model = {
  ...unlistedModel('local-diffusion'),
  qualities: ['standard', 'hd'],
  styles: ['vivid', 'natural'],
};

describeProvider('a compatible server', () => createFixture(COMPATIBLE, { strict: false, omit: ['size'] }), TRAITS);

async function createFixture(
  model: Model,
  { strict, omit }: { readonly strict: boolean; readonly omit: OpenAIProviderOptions['omit'] },
): Promise<ProviderFixture> {
  const stopped = await startOpenAiServer();
  await stopped.close();
  const server = await startOpenAiServer({ strict });
  const transport = createTransport({ maxResponseBytes: 32 * 1024 * 1024 });
  const guard = createGuardedFetch({ allow: [] });
  const open = (changes: Partial<OpenAIProviderOptions> = {}) =>
    createOpenAIProvider({
      name: 'openai',
      apiKey: server.key,
      baseURL: server.baseUrl,
      azureApiVersion: null,
      model: (id) => (id === model.id ? model : null),
      omit,
      controlSequences: [],
      timeoutMs: LONGEST_WAIT_MS,
      transport,
      guard,
      maxPictureBytes: 32 * 1024 * 1024,
      maskSecrets: (text) => text,
      logPrompts: false,
      clock: { now: Date.now, monotonic: Date.now, sleep: () => Promise.resolve() },
      ...changes,
    });
  const call: GenerationCall = {
    model,
    prompt: 'a lighthouse',
    size: { width: 1024, height: 1024 },
    quality: null,
    style: null,
    background: null,
    format: null,
    partialImages: 0,
  };
  return {
    provider: open(),
    call,
    secret: server.key,
    sent: () => server.calls.map(sentBy),
    hold() {
      server.script(hang());
      return server.received(server.calls.length + 1).then(() => undefined);
    },
    released: () => server.abandoned(1),
    fail(fault) {
      if (fault === 'unreachable') return { provider: open({ baseURL: stopped.baseUrl }), call };
      server.script(behaviourFor(fault, server.key ?? ''));
      return { provider: open(fault === 'timeout' ? { timeoutMs: 100 } : {}), call };
    },
    async dispose() {
      await transport.close();
      await guard.close();
      await server.close();
    },
  };
}

/** Servers often quote the key in their errors, so these do. */
function behaviourFor(fault: ProviderFault, key: string): Behaviour {
  const message = `refused for the key ${key}`;
  switch (fault) {
    case 'refused':
      return openAiError('moderation_blocked', { message });
    case 'rejected':
      return openAiError('model_not_found', { message });
    case 'account':
      return openAiError('invalid_api_key', { message });
    case 'rate_limited':
      return openAiError('rate_limit_exceeded', { message, headers: { 'retry-after': '2' } });
    case 'overloaded':
      return openAiError('server_error', { message });
    case 'gateway':
      return openAiError('server_error', { message, status: 504 });
    case 'interrupted':
      return dropConnection('reset');
    case 'timeout':
      return hang();
    case 'empty':
      return brokenAnswer('empty data');
    default:
      throw new Error(`the fake server cannot cause the fault ${fault}`);
  }
}

function sentBy({ body }: Call): SentParameters {
  const { model, prompt, size, quality, style, background, output_format } = body;
  return { model, prompt, size, quality, style, background, format: output_format };
}
