/** What a start does besides wiring: the folder of the pictures, warnings about the configuration, resuming work, jobs on a schedule. */

import type { Logger } from 'pino';
import { createDiskStore } from '../adapters/storage/disk.ts';
import { lockFolder } from '../adapters/storage/folder-lock.ts';
import type { Config } from '../config/config.ts';
import { MediaInUseError } from '../core/domain/errors.ts';
import type { ShutdownWatch } from '../core/models/retirement.ts';
import { isBudgetSet } from '../core/money/budget.ts';
import type { JobQueue } from '../core/ports/job-queue.ts';
import type { MediaStore } from '../core/ports/media-store.ts';
import type { Provider } from '../core/ports/provider.ts';
import type { RecordStore } from '../core/ports/record-store.ts';
import { claimStore } from '../core/retention/claim.ts';
import type { Deletions } from '../core/retention/deletions.ts';

const DAY_MS = 86_400_000;
/** Far more than a list of models takes; a server that is slower is asked again a day later. */
const MODEL_LIST_TIMEOUT_MS = 30_000;

/**
 * Opens the folder of the pictures for this database alone. Raises `MediaInUseError` while another process of this machine uses it,
 * `ForeignMediaError` where it belongs to another database, and `ImageError` where it cannot be made or read.
 */
export async function openMediaFolder(
  { root, adopt }: Config['media'],
  records: RecordStore,
  log: Logger,
  opened: AsyncDisposableStack,
): Promise<MediaStore> {
  const store = await createDiskStore({ root });
  opened.defer(lockIfPossible(root, log));
  await claimStore({ store, records, place: root, adopt, log });
  return store;
}

/** Locks the folder where that is possible. Returns the function that releases it. */
export function lockIfPossible(root: string, log: Logger): () => void {
  try {
    return lockFolder(root);
  } catch (error) {
    if (error instanceof MediaInUseError) throw error;
    // On a read-only or full disk nothing can be written over, and the pictures that are there can be served.
    log.warn({ err: error }, `the folder ${root} could not be locked: no second service may use it`);
    return () => undefined;
  }
}

interface ResumeParts {
  readonly store: Pick<MediaStore, 'removeTemporary'>;
  readonly deletions: Pick<Deletions, 'completeAll'>;
  readonly records: Pick<RecordStore, 'unfinished' | 'unreadable'>;
  readonly queue: Pick<JobQueue, 'enqueue'>;
  readonly log: Logger;
}

/** Clears away what an earlier process left half done, and queues every image that it left unfinished and that can be read. */
export async function resumeWork({ store, deletions, records, queue, log }: ResumeParts): Promise<void> {
  // Published files can be served all the same. The next start removes temporary files, the next cleanup completes deletions.
  await store.removeTemporary().catch((err: unknown) => {
    log.error({ err }, 'temporary files of an earlier process could not be removed yet');
  });
  await deletions
    .completeAll((mediaId, err) => log.error({ mediaId, err }, 'files of a deleted image could not be removed yet'))
    .catch((err: unknown) => log.error({ err }, 'deletions of an earlier process could not be completed yet'));
  const mediaIds = await records.unreadable();
  if (mediaIds.length > 0)
    log.error({ mediaIds }, 'records that cannot be read are passed over; restore them from a backup');
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

/**
 * Runs `work` every `ms` milliseconds, skipping a turn while the last run goes on; failures are logged. Returns the function
 * that stops this and waits for the current run.
 */
export function runEvery(ms: number, logger: Logger, work: () => Promise<void>): () => Promise<void> {
  let inFlight: Promise<void> | null = null;
  const timer = setInterval(() => {
    inFlight ??= work()
      .catch((error: unknown) => logger.error({ err: error }, 'scheduled job failed; the next run tries again'))
      .finally(() => {
        inFlight = null;
      });
  }, ms);
  return async () => {
    clearInterval(timer);
    await inFlight;
  };
}
