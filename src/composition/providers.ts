import type { Logger } from 'pino';
import { createOpenAIProvider } from '../adapters/providers/openai/provider.ts';
import { openPaintingThreads, type Paint } from '../adapters/providers/placeholder/painting-threads.ts';
import { createPlaceholderProvider } from '../adapters/providers/placeholder/provider.ts';
import type { Config } from '../config/config.ts';
import type { ProviderSettings } from '../config/provider-settings.ts';
import { createModelLookup } from '../core/models/model-choice.ts';
import { createShutdownWatch, type ShutdownWatch } from '../core/models/retirement.ts';
import type { Clock } from '../core/ports/clock.ts';
import type { Provider, ProviderCalls } from '../core/ports/provider.ts';
import type { CallLimits, SharedCallLimits } from '../core/ports/shared-call-limits.ts';
import type { Tracer } from '../core/ports/tracer.ts';
import { createUpstreams, type Upstreams } from '../core/upstream/upstreams.ts';
import { hostOf } from '../security/allow-list.ts';
import type { CallThreadOptions } from './threads/call-threads.ts';
import type { OpenProviderCalls, ProviderCallsData } from './threads/provider-calls.ts';

/** Largest answer that is read from a provider: far more than the largest picture in base64. */
const MAX_PROVIDER_RESPONSE_BYTES = 128 * 1024 * 1024;

/** Opens the calls of the providers, on threads or not. */
export type OpenCalls = (options: CallThreadOptions) => OpenProviderCalls;

interface ProviderParts {
  /** The limits of calls over all replicas; null for a process that is alone. */
  readonly callLimits: SharedLimits | null;
  readonly tracer: Tracer;
  readonly clock: Clock;
  readonly log: Logger;
  readonly openCalls: OpenCalls;
}

/** Where the limits of the calls to a provider are counted over all replicas. */
export interface SharedLimits {
  of(provider: string, limits: CallLimits): SharedCallLimits;
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
export function openProviders(
  config: Config,
  { callLimits, tracer, clock, log, openCalls }: ProviderParts,
  opened: AsyncDisposableStack,
): Providers {
  const { secrets } = config;
  const calls = openCalls({
    providers: config.providers
      .filter(({ kind }) => kind !== 'placeholder')
      .map((settings) => callThreadProvider(settings, config)),
    maxResponseBytes: MAX_PROVIDER_RESPONSE_BYTES,
    tracer,
    secrets,
  });
  opened.defer(() => calls.close());
  const painting = openPaintingThreads(config.imaging.pictures);
  opened.defer(() => painting.close());
  const shutdowns = createShutdownWatch({
    inUse: [...new Set([config.defaults.model, ...config.aliases.values()])],
    clock,
    log,
  });
  const options = config.providers.map((settings) => {
    const limits = { concurrency: settings.concurrency, perMinute: settings.perMinute };
    return {
      provider: shutdowns.watch(
        createProvider(settings, config, { callsOf: calls.callsOf, paint: painting.paint, clock }),
      ),
      limits,
      shared: callLimits?.of(settings.name, limits) ?? null,
    };
  });
  return {
    providers: options.map(({ provider }) => provider),
    upstreams: createUpstreams(options, clock, log),
    shutdowns,
  };
}

/** The adapter for the provider's kind: the placeholder, or OpenAI's API for everything else, Azure and compatible servers included. */
function createProvider(
  settings: ProviderSettings,
  config: Config,
  {
    callsOf,
    paint,
    clock,
  }: { readonly callsOf: (provider: string) => ProviderCalls; readonly paint: Paint; readonly clock: Clock },
): Provider {
  const { name, kind } = settings;
  if (kind === 'placeholder')
    return createPlaceholderProvider({ model: config.defaults.model, catalog: config.catalog, paint });
  return createOpenAIProvider({
    name,
    model: createModelLookup({
      catalog: config.catalog,
      defaultModel: config.defaults.model,
      ownModel: settings.model,
      followsShutdownDates: name === 'openai' || kind === 'azure',
    }),
    omit: settings.omit,
    edits: settings.edits,
    streaming: settings.streaming,
    controlSequences: settings.strip,
    calls: callsOf(name),
    clock,
  });
}

function callThreadProvider(settings: ProviderSettings, config: Config): ProviderCallsData['providers'][number] {
  const { name, kind, apiKey, baseURL, omit } = settings;
  return {
    name,
    apiKey,
    baseURL,
    azureApiVersion: kind === 'azure' ? settings.apiVersion : null,
    omit,
    timeoutMs: config.callTimeoutMs,
    maxPictureBytes: MAX_PROVIDER_RESPONSE_BYTES,
    logPrompts: config.log.prompts,
    // The operator chose this host, so it is allowed even if private: a local model server may answer with URLs on itself.
    allowHosts: [...(baseURL === null ? [] : [hostOf(baseURL)]), ...config.fetch.allowHosts],
  };
}
