import type { Logger } from 'pino';
import { createPlaceholderProvider } from '../adapters/providers/placeholder/provider.ts';
import { createTransport, type Transport } from '../adapters/providers/transport.ts';
import type { Config } from '../config/config.ts';
import type { ProviderSettings } from '../config/provider-settings.ts';
import { createModelLookup } from '../core/models/model-choice.ts';
import { createShutdownWatch, type ShutdownWatch } from '../core/models/retirement.ts';
import type { Clock } from '../core/ports/clock.ts';
import type { Provider } from '../core/ports/provider.ts';
import type { Tracer } from '../core/ports/tracer.ts';
import { createUpstreams, type Upstreams } from '../core/upstream/upstreams.ts';
import { hostOf } from '../security/allow-list.ts';
import { createGuardedFetch, type GuardedFetch } from '../security/ssrf-guard.ts';

/** Largest answer that is read from a provider: far more than the largest picture in base64. */
const MAX_PROVIDER_RESPONSE_BYTES = 128 * 1024 * 1024;

interface ProviderParts {
  readonly tracer: Tracer;
  readonly clock: Clock;
  readonly log: Logger;
}

/** The configured providers, and what was built on them. */
export interface Providers {
  /** In order of fallback. */
  readonly providers: readonly Provider[];
  /** The providers with their circuit breakers and rate limiters; every call goes through these. */
  readonly upstreams: Upstreams;
  /** Shutdown dates of the models in use. */
  readonly shutdowns: ShutdownWatch;
}

/** Builds the providers with their connections, which `opened` closes. Sends no request. */
export async function openProviders(
  config: Config,
  { tracer, clock, log }: ProviderParts,
  opened: AsyncDisposableStack,
): Promise<Providers> {
  const transport = createTransport({ maxResponseBytes: MAX_PROVIDER_RESPONSE_BYTES, tracer });
  opened.defer(() => transport.close());
  const shutdowns = createShutdownWatch({
    inUse: [...new Set([config.defaults.model, ...config.aliases.values()])],
    clock,
    log,
  });
  const options = await Promise.all(
    config.providers.map(async (settings) => {
      // The operator chose this host, so it is allowed even if private: a local model server may answer with URLs on itself.
      const own = settings.baseURL === null ? [] : [hostOf(settings.baseURL)];
      const guard = createGuardedFetch({ allow: [...own, ...config.fetch.allowHosts] });
      opened.defer(() => guard.close());
      return {
        provider: shutdowns.watch(await createProvider(settings, config, transport, guard, clock)),
        limits: { concurrency: settings.concurrency, perMinute: settings.perMinute },
      };
    }),
  );
  return {
    providers: options.map(({ provider }) => provider),
    upstreams: createUpstreams(options, clock, log),
    shutdowns,
  };
}

/** The adapter for the provider's kind: the placeholder, or OpenAI's API for everything else, Azure and compatible servers included. */
async function createProvider(
  settings: ProviderSettings,
  config: Config,
  transport: Transport,
  guard: GuardedFetch,
  clock: Clock,
): Promise<Provider> {
  const { name, kind } = settings;
  if (kind === 'placeholder')
    return createPlaceholderProvider({ model: config.defaults.model, catalog: config.catalog });
  // The SDK loads 240 files; a start without a key need not wait for them.
  const { createOpenAIProvider } = await import('../adapters/providers/openai/provider.ts');
  return createOpenAIProvider({
    name,
    apiKey: settings.apiKey,
    baseURL: settings.baseURL,
    azureApiVersion: kind === 'azure' ? settings.apiVersion : null,
    model: createModelLookup({
      catalog: config.catalog,
      defaultModel: config.defaults.model,
      ownModel: settings.model,
      followsShutdownDates: name === 'openai' || kind === 'azure',
    }),
    omit: settings.omit,
    controlSequences: settings.strip,
    timeoutMs: config.callTimeoutMs,
    transport,
    guard,
    maxPictureBytes: MAX_PROVIDER_RESPONSE_BYTES,
    maskSecrets: config.secrets.mask,
    logPrompts: config.log.prompts,
    clock,
  });
}
