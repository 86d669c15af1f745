/** The file of a thread on which provider calls are made: what `openProviders` is on the event loop. */

import { AsyncLocalStorage } from 'node:async_hooks';
import { workerData } from 'node:worker_threads';
import { type CallSettings, createOpenAICalls } from '../../adapters/providers/openai/calls.ts';
import { createCallServer } from '../../adapters/providers/threads/call-server.ts';
import { createTransport } from '../../adapters/providers/transport.ts';
import { threadWork } from '../../adapters/threads/thread-work.ts';
import type { ProviderCalls } from '../../core/ports/provider.ts';
import type { AllowedHost } from '../../security/allow-list.ts';
import { createSecretMask } from '../../security/secret-mask.ts';
import { createGuardedFetch } from '../../security/ssrf-guard.ts';

/** A provider of the threads. */
export interface CallThreadProvider extends CallSettings {
  /** Hosts from which its pictures are fetched at any address. */
  readonly allowHosts: readonly AllowedHost[];
}

/** `workerData` of the threads. */
export interface CallThreadData {
  readonly providers: readonly CallThreadProvider[];
  /** Largest answer that is read. */
  readonly maxResponseBytes: number;
}

const { providers, maxResponseBytes } = workerData as CallThreadData;
const traces = new AsyncLocalStorage<string | null>();
const transport = createTransport({ maxResponseBytes, traceparent: () => traces.getStore() ?? null });
const secrets = createSecretMask([]);
const clock = { now: () => Date.now() };
const calls: ReadonlyMap<string, ProviderCalls> = new Map(
  providers.map(({ allowHosts, ...settings }) => {
    const guard = createGuardedFetch({ allow: allowHosts });
    return [settings.name, createOpenAICalls({ ...settings, transport, guard, maskSecrets: secrets.mask, clock })];
  }),
);

function callsOf(name: string): ProviderCalls {
  const found = calls.get(name);
  if (found === undefined) throw new TypeError(`${name} is no provider of this thread`);
  return found;
}

export default threadWork(createCallServer({ callsOf, learnSecrets: secrets.learn, traces }));
