import { setTimeout as delay } from 'node:timers/promises';
import { createEasel, EaselError } from '../../client/client.ts';
import type { Easel } from '../../client/easel.ts';
import type { ImageRecord } from '../../client/shapes.ts';
import { CommandError, EXIT_INTERRUPTED } from '../failure.ts';
import type { Address } from './address.ts';
import { isUnfinished } from './find-record.ts';
import { createPayments, describePaid, type Payments } from './payments.ts';
import { createRead } from './read.ts';
import type { Work } from './session.ts';
import type { Signals } from './signals.ts';

/** Pauses between two looks at a picture that is being cancelled, in milliseconds. */
const PAUSE_MS = 250;
/** For how long a request that is under way is waited for, where the service says that it has no such picture, in milliseconds. */
const ARRIVAL_MS = 10_000;

/**
 * Runs `work` on a running service. After a signal the pictures that the command asked for are cancelled there; then it says what was paid.
 */
export async function withRunningService({ url, apiKey }: Address, work: Work, signals: Signals): Promise<number> {
  const connection = { baseUrl: url, apiKey };
  const easel = createEasel(connection);
  const { interrupted } = signals;
  const payments = createPayments();
  const ended = new AbortController();
  let isSettled = false;
  try {
    const session = {
      easel,
      read: createRead(connection),
      url,
      makes: false,
      payments,
      interrupted,
      signal: ended.signal,
    };
    const result = interrupted.aborted
      ? signals.first
      : work(session).finally(() => {
          isSettled = true;
        });
    const code = await Promise.race([result, signals.first]);
    if (!interrupted.aborted) return code;
    if (payments.mediaIds.length > 0) {
      console.error('cancelling the picture at the service; a second signal ends at once');
      signals.onSecond(async () => console.error(`ended at once: what was paid is not known; ${whatSaysSo(payments)}`));
    }
    // `work` has ended where nothing can arrive at the service any more.
    const find = (mediaId: string) => cancelled(easel, mediaId, () => isSettled);
    console.error(`interrupted: ${await describePayment(payments, find)}`);
    return EXIT_INTERRUPTED;
  } finally {
    ended.abort();
  }
}

async function describePayment(payments: Payments, find: Parameters<Payments['total']>[0]): Promise<string> {
  try {
    return `${describePaid(await payments.total(find))} was paid`;
  } catch (error) {
    if (!(error instanceof EaselError || error instanceof CommandError)) throw error;
    return `the picture may go on and what was paid is not known, as ${error.message}; ${whatSaysSo(payments)}`;
  }
}

function whatSaysSo({ mediaIds }: Payments): string {
  return `easel get ${mediaIds.join(' ')} says so`;
}

/** Cancels the picture, and resolves to its record once no call for it is out any more; null where the service does not know it. */
async function cancelled(easel: Easel, mediaId: string, isSettled: () => boolean): Promise<ImageRecord | null> {
  const deadline = performance.now() + ARRIVAL_MS;
  for (;;) {
    // After the end it gives the record as it is.
    const record = await easel.cancel(mediaId).catch((error: unknown) => {
      if (error instanceof EaselError && error.code === 'not_found') return null;
      throw error;
    });
    if (record === null ? isSettled() : !isAtWork(record)) return record;
    if (record === null && performance.now() > deadline) {
      throw new CommandError('the service has not answered the request for it');
    }
    await delay(PAUSE_MS);
  }
}

function isAtWork(record: ImageRecord): boolean {
  return isUnfinished(record) || record.attempts.some(({ outcome }) => outcome === 'running');
}
