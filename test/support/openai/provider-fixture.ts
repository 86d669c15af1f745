import { type CallSettings, createOpenAICalls } from '../../../src/adapters/providers/openai/calls.ts';
import { createOpenAIProvider } from '../../../src/adapters/providers/openai/provider.ts';
import { createTransport } from '../../../src/adapters/providers/transport.ts';
import type { ProviderFault } from '../../../src/core/domain/errors.ts';
import type { Model } from '../../../src/core/domain/model.ts';
import type { GenerationCall, ProviderCalls } from '../../../src/core/ports/provider.ts';
import { createGuardedFetch } from '../../../src/security/ssrf-guard.ts';
import type { ProviderFixture, ProviderTraits, SentParameters } from '../../contracts/provider.ts';
import { LONGEST_WAIT_MS } from '../until.ts';
import { type Behaviour, brokenAnswer, dropConnection, hang, openAiError } from './answers.ts';
import type { Call } from './call.ts';
import { startOpenAiServer } from './server.ts';

/** What a provider for OpenAI's dialect is, over the stand-in. */
export const TRAITS: ProviderTraits = {
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

/** Largest answer and picture, in bytes. */
export const MAX_ANSWER_BYTES = 32 * 1024 * 1024;

/** Where calls are made. */
export interface CallMaker {
  callsOf(name: string): ProviderCalls;
  close(): Promise<void>;
}

/** Makes calls on this thread. */
export function makeCallsHere(settings: readonly CallSettings[]): CallMaker {
  const transport = createTransport({ maxResponseBytes: MAX_ANSWER_BYTES });
  const guard = createGuardedFetch({ allow: [] });
  const parts = { transport, guard, maskSecrets: (text: string) => text, clock: { now: Date.now } };
  const calls = new Map(settings.map((one) => [one.name, createOpenAICalls({ ...one, ...parts })]));
  return {
    callsOf(name) {
      const found = calls.get(name);
      if (found === undefined) throw new Error(`${name} has no settings`);
      return found;
    },
    async close() {
      await transport.close();
      await guard.close();
    },
  };
}

interface FixtureOptions {
  /** False where the stand-in is to accept parameters that OpenAI's API does not know. */
  readonly strict: boolean;
  readonly omit: CallSettings['omit'];
  readonly makeCalls: (settings: readonly CallSettings[]) => CallMaker;
}

/** A provider for this model, whose calls reach a stand-in. */
export async function openAiFixture(
  model: Model,
  { strict, omit, makeCalls }: FixtureOptions,
): Promise<ProviderFixture> {
  const stopped = await startOpenAiServer();
  await stopped.close();
  const server = await startOpenAiServer({ strict });
  const usual: CallSettings = {
    name: 'openai',
    apiKey: server.key,
    baseURL: server.baseUrl,
    azureApiVersion: null,
    omit,
    timeoutMs: LONGEST_WAIT_MS,
    maxPictureBytes: MAX_ANSWER_BYTES,
    logPrompts: false,
  };
  const maker = makeCalls([
    usual,
    { ...usual, name: 'hasty', timeoutMs: 1_000 },
    { ...usual, name: 'unreachable', baseURL: stopped.baseUrl },
  ]);
  const open = (name: string) =>
    createOpenAIProvider({
      name,
      model: (id) => (id === model.id ? model : null),
      omit,
      edits: true,
      streaming: true,
      controlSequences: [],
      calls: maker.callsOf(name),
      clock: { monotonic: () => 0 },
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
    provider: open('openai'),
    call,
    secret: server.key,
    sent: () => server.calls.map(sentBy),
    sentPictures: () =>
      server.calls.map(({ files }) =>
        files
          .toSorted((one, other) => Number(one.field === 'mask') - Number(other.field === 'mask'))
          .map(({ sha256 }) => sha256),
      ),
    hold() {
      server.script(hang());
      return server.received(server.calls.length + 1).then(() => undefined);
    },
    released: () => server.abandoned(1),
    fail(fault) {
      if (fault === 'unreachable') return { provider: open('unreachable'), call };
      server.script(behaviourFor(fault, server.key ?? ''));
      return { provider: open(fault === 'timeout' ? 'hasty' : 'openai'), call };
    },
    async dispose() {
      await maker.close();
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
