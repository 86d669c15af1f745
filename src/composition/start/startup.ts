/** What a start does besides wiring: warnings about the configuration, resuming work, jobs on a schedule. */

import type { Logger } from 'pino';
import type { Config } from '../../config/config.ts';
import { faultFields } from '../../core/domain/errors.ts';
import type { ShutdownWatch } from '../../core/models/retirement.ts';
import { isBudgetSet } from '../../core/money/budget.ts';
import type { JobQueue } from '../../core/ports/job-queue.ts';
import type { MediaStore } from '../../core/ports/media-store.ts';
import type { Provider } from '../../core/ports/provider.ts';
import type { RecordStore } from '../../core/ports/record-store.ts';
import type { Deletions } from '../../core/retention/deletions.ts';
import type { StorageCapacity } from '../../core/storage/capacity.ts';
import type { StorageWatch } from '../../core/storage/storage-watch.ts';

const DAY_MS = 86_400_000;
/** Far more than a list of models takes; a server that is slower is asked again a day later. */
const MODEL_LIST_TIMEOUT_MS = 30_000;
const RECOVERY_CHECK_MS = 5_000;

interface ClearParts {
  readonly store: Pick<MediaStore, 'removeTemporary'>;
  readonly deletions: Pick<Deletions, 'completeAll'>;
  readonly log: Logger;
}

/** Clears away what an earlier process left half done: temporary files and deletions. Failures are logged. */
export async function clearAway({ store, deletions, log }: ClearParts): Promise<void> {
  // Published files can be served all the same. The next start removes temporary files, the next cleanup completes deletions.
  await store.removeTemporary().catch((err: unknown) => {
    log.error(faultFields(err), 'temporary files of an earlier process could not be removed yet');
  });
  await deletions
    .completeAll((mediaId, err) =>
      log.error({ mediaId, ...faultFields(err) }, 'files of a deleted image could not be removed yet'),
    )
    .catch((err: unknown) => log.error(faultFields(err), 'deletions of an earlier process could not be completed yet'));
}

/** Logs which unfinished images have records that cannot be read. Raises `ImageError` where the records cannot be reached. */
export async function reportUnreadable(records: Pick<RecordStore, 'unreadable'>, log: Logger): Promise<void> {
  const mediaIds = await records.unreadable();
  if (mediaIds.length === 0) return;
  log.error({ mediaIds }, 'records that cannot be read are passed over; restore them from a backup');
}

interface ResumeParts {
  readonly records: Pick<RecordStore, 'unfinished'>;
  readonly queue: Pick<JobQueue, 'enqueue'>;
  readonly log: Logger;
}

/** Queues every image that an earlier process left unfinished and that can be read. */
export async function resumeWork({ records, queue, log }: ResumeParts): Promise<void> {
  const unfinished = await records.unfinished();
  if (unfinished.length > 0) log.info({ images: unfinished.length }, 'resuming unfinished images');
  for (const mediaId of unfinished) await queue.enqueue(mediaId);
}

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

/** Warns that pictures are placeholders, and of variables that change nothing. */
export function warnAboutSettings(config: Config, logger: Logger): void {
  if (config.providers[0]?.kind === 'placeholder') {
    logger.warn('pictures are abstract placeholders, painted here; set OPENAI_API_KEY to have real ones made');
  }
  for (const warning of config.warnings) logger.warn(warning);
}

/** Warns about models without a price: while a budget is set, every call to them is refused. */
export function warnAboutUnpricedModels(
  { budget, defaults }: Config,
  providers: readonly Provider[],
  logger: Logger,
): void {
  if (!isBudgetSet(budget)) return;
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

/** While a part of the storage does not work, checks it now and then: without requests nothing else would notice that it works again. */
export function watchForRecovery({
  watch,
  capacity,
  records,
  log,
}: {
  readonly watch: Pick<StorageWatch, 'isWorking'>;
  readonly capacity: StorageCapacity;
  readonly records: Pick<RecordStore, 'check'>;
  readonly log: Logger;
}): () => Promise<void> {
  return runEvery(RECOVERY_CHECK_MS, log, async () => {
    // Failures are what the watch knows already.
    if (!watch.isWorking('pictures')) await capacity.check().catch(() => undefined);
    if (!watch.isWorking('database')) await records.check().catch(() => undefined);
  });
}

/**
 * Runs `work` every `ms` milliseconds, skipping a turn while the last run goes on; failures are logged. Returns the function
 * that stops this and waits for the current run.
 */
export function runEvery(ms: number, logger: Logger, work: () => Promise<void>): () => Promise<void> {
  let inFlight: Promise<void> | null = null;
  const timer = setInterval(() => {
    inFlight ??= work()
      .catch((error: unknown) => logger.error(faultFields(error), 'scheduled job failed; the next run tries again'))
      .finally(() => {
        inFlight = null;
      });
  }, ms);
  return async () => {
    clearInterval(timer);
    await inFlight;
  };
}
