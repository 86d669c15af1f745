import { type CallSettings, createOpenAICalls } from '../../adapters/providers/openai/calls.ts';
import { createTransport } from '../../adapters/providers/transport.ts';
import type { MaskSecrets } from '../../core/domain/text/outside-text.ts';
import type { ProviderCalls } from '../../core/ports/provider.ts';
import type { AllowedHost } from '../../security/allow-list.ts';
import { createGuardedFetch } from '../../security/ssrf-guard.ts';

/** A provider whose calls are made. */
interface CallProvider extends CallSettings {
  /** Hosts from which its pictures are fetched at any address. */
  readonly allowHosts: readonly AllowedHost[];
}

/** What the calls of all providers are made from: plain data, which can be sent to a thread. */
export interface ProviderCallsData {
  readonly providers: readonly CallProvider[];
  /** Largest answer that is read, in bytes. */
  readonly maxResponseBytes: number;
}

interface ProviderCallsOptions extends ProviderCallsData {
  /** The `traceparent` of the span in which a call is made; null for none. */
  readonly traceparent: () => string | null;
  readonly maskSecrets: MaskSecrets;
}

/** Calls that are made on this thread, and their connections. */
export interface OpenProviderCalls {
  /** The calls of the provider with this name. */
  callsOf(provider: string): ProviderCalls;
  /** Ends the calls that run, and their connections. */
  close(): Promise<void>;
}

/** Makes the calls of the providers on this thread. Sends no request. */
export function openProviderCalls(options: ProviderCallsOptions): OpenProviderCalls {
  const { providers, maxResponseBytes, traceparent, maskSecrets } = options;
  const transport = createTransport({ maxResponseBytes, traceparent });
  const clock = { now: () => Date.now() };
  const guarded = providers.map((settings) => ({
    settings,
    guard: createGuardedFetch({ allow: settings.allowHosts }),
  }));
  const calls: ReadonlyMap<string, ProviderCalls> = new Map(
    guarded.map(({ settings, guard }) => [
      settings.name,
      createOpenAICalls({ ...settings, transport, guard, maskSecrets, clock }),
    ]),
  );
  return {
    callsOf(provider) {
      const found = calls.get(provider);
      if (found === undefined) throw new TypeError(`${provider} is no provider with calls of its own`);
      return found;
    },
    async close() {
      await Promise.all([transport, ...guarded.map(({ guard }) => guard)].map((connections) => connections.close()));
    },
  };
}
