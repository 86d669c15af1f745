/** What a start does besides wiring: warnings about the configuration, and jobs on a schedule. */

import type { Logger } from 'pino';
import type { Config } from '../config/config.ts';
import type { ShutdownWatch } from '../core/models/retirement.ts';
import type { Provider } from '../core/ports/provider.ts';
import { runEvery } from './schedule.ts';

const DAY_MS = 86_400_000;
/** Far more than a list of models takes; a server that is slower is asked again a day later. */
const MODEL_LIST_TIMEOUT_MS = 30_000;

/** Asks the providers for shutdown dates, now and once a day, without delaying the start. Returns the function that stops it. */
export function pollShutdownDates(shutdowns: ShutdownWatch, logger: Logger): () => Promise<void> {
  const stopping = new AbortController();
  const refresh = async () => {
    await shutdowns.refresh(AbortSignal.any([stopping.signal, AbortSignal.timeout(MODEL_LIST_TIMEOUT_MS)]));
    shutdowns.warn();
  };
  const first = refresh();
  const stop = runEvery(DAY_MS, logger, refresh);
  return async () => {
    stopping.abort();
    await Promise.all([first, stop()]);
  };
}

/** Warns that pictures are placeholders, and that `OPENAI_BASE_URL` is set though no provider uses it. */
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

/** Warns about models without a price: while a budget is set, every call to them is refused. */
export function warnAboutUnpricedModels(
  { budget, defaults }: Config,
  providers: readonly Provider[],
  logger: Logger,
): void {
  if (budget.usdPerDay === null && budget.usdPerDayOfKey.size === 0) return;
  const unpriced = providers
    .flatMap((provider) => provider.model(defaults.model) ?? [])
    .filter(({ pricing }) => pricing === null);
  for (const { id } of unpriced) {
    logger.warn(
      { model: id },
      `the catalog has no price for ${id}, so the budget refuses it; add one with MODEL_CATALOG`,
    );
  }
}
