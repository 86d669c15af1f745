import type { Logger } from 'pino';
import type { Config } from '../config/config.ts';
import type { ShutdownWatch } from '../core/models/retirement.ts';
import type { Provider } from '../core/ports/provider.ts';
import { runEvery } from './schedule.ts';

const DAY_MS = 86_400_000;
/** A list of models is short; a server that takes longer is asked again tomorrow. */
const MODEL_LIST_TIMEOUT_MS = 30_000;

/** Asks providers for shutdown dates now and once a day; the start does not wait for it. Gives the function that ends this. */
export function pollShutdownDates(shutdowns: ShutdownWatch, logger: Logger): () => Promise<void> {
  const ending = new AbortController();
  const ask = async () => {
    await shutdowns.refresh(AbortSignal.any([ending.signal, AbortSignal.timeout(MODEL_LIST_TIMEOUT_MS)]));
    shutdowns.warn();
  };
  const first = ask();
  const stop = runEvery(DAY_MS, logger, ask);
  return async () => {
    ending.abort();
    await Promise.all([first, stop()]);
  };
}

export function warnAboutPlaceholder(config: Config, logger: Logger): void {
  if (config.providers[0]?.kind === 'placeholder') {
    logger.warn('pictures are abstract placeholders, painted here; set OPENAI_API_KEY to have real ones made');
  }
  if (config.hasUnusedBaseURL) {
    logger.warn(
      'OPENAI_BASE_URL is not used: set OPENAI_API_KEY too, or PROVIDERS=openai for a server that wants no key',
    );
  }
}

/** A budget refuses what has no price; better to hear of it now than from the first caller. */
export function warnAboutUnpricedModels(
  { budget, defaults }: Config,
  providers: readonly Provider[],
  logger: Logger,
): void {
  if (budget.usdPerDay === null && budget.usdPerDayOfKey.size === 0) return;
  const unpriced = providers
    .flatMap(({ model }) => model(defaults.model) ?? [])
    .filter(({ pricing }) => pricing === null);
  for (const { id } of unpriced) {
    logger.warn(
      { model: id },
      `the catalog has no price for ${id}, so the budget refuses it; add one with MODEL_CATALOG`,
    );
  }
}
