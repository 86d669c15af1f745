import { createOpenAIProvider } from '../adapters/providers/openai/provider.ts';
import { createPlaceholderProvider } from '../adapters/providers/placeholder/provider.ts';
import type { Transport } from '../adapters/providers/transport.ts';
import type { Config } from '../config/config.ts';
import type { ProviderSettings } from '../config/provider-settings.ts';
import { createModelLookup } from '../core/models/model-choice.ts';
import type { Clock } from '../core/ports/clock.ts';
import type { Provider } from '../core/ports/provider.ts';
import type { GuardedFetch } from '../security/ssrf-guard.ts';

/** Largest answer that is read from a provider: far more than the largest picture in base64. */
export const MAX_PROVIDER_RESPONSE_BYTES = 128 * 1024 * 1024;

/** The adapter for the provider's kind: the placeholder, or OpenAI's API for everything else, Azure and compatible servers included. */
export function createProvider(
  settings: ProviderSettings,
  config: Config,
  transport: Transport,
  guard: GuardedFetch,
  clock: Clock,
): Provider {
  const { name, kind } = settings;
  if (kind === 'placeholder')
    return createPlaceholderProvider({ model: config.defaults.model, catalog: config.catalog });
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
    clock,
  });
}
