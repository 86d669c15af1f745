import type { Logger } from 'pino';
import { ImageError } from '../domain/errors.ts';
import type { Clock } from '../ports/clock.ts';

export const STORAGE_PARTS = ['pictures', 'database'] as const;
type StoragePart = (typeof STORAGE_PARTS)[number];

/** Notices when a part of the storage stops working and when it works again. The log has one line for each turn. */
export interface StorageWatch {
  /** Takes in an error of an access. Those that say nothing about the whole part, such as damage of one file, change nothing. */
  failed(part: StoragePart, error: unknown): void;
  /** The part has passed its check. It counts as working again once nothing has failed for `QUIET_MS`. */
  works(part: StoragePart): void;
  isWorking(part: StoragePart): boolean;
  /** Nothing is logged from now on: the storage is being closed. */
  close(): void;
}

/** Without this pause a disk that is nearly full would turn with each picture that ends, milliseconds of the monotonic clock. */
const QUIET_MS = 10_000;

interface Failing {
  /** Milliseconds since 1970. */
  readonly since: number;
  /** Of the clock's `monotonic`. */
  readonly began: number;
  lastAt: number;
}

const REFUSES: Readonly<Record<StoragePart, string>> = {
  pictures: 'new pictures are refused, since they could not be stored; paid ones are held until they can be',
  database: 'new pictures are refused, since the database does not work; running ones wait for it',
};

const WORKS: Readonly<Record<StoragePart, string>> = {
  pictures: 'pictures can be stored again',
  database: 'the database works again',
};

export function createStorageWatch({
  clock,
  log,
}: {
  readonly clock: Pick<Clock, 'now' | 'monotonic'>;
  readonly log: Logger;
}): StorageWatch {
  const failing = new Map<StoragePart, Failing>();
  let isClosed = false;

  return {
    failed(part, error) {
      if (isClosed || !concernsThePart(error)) return;
      const known = failing.get(part);
      if (known) {
        known.lastAt = clock.monotonic();
        return;
      }
      const began = clock.monotonic();
      failing.set(part, { since: clock.now(), began, lastAt: began });
      log.error({ storage: part, code: error.code, reason: error.message }, REFUSES[part]);
    },

    works(part) {
      const known = failing.get(part);
      if (isClosed || !known || clock.monotonic() - known.lastAt < QUIET_MS) return;
      failing.delete(part);
      const seconds = Math.round((clock.monotonic() - known.began) / 1000);
      log.info({ storage: part, since: new Date(known.since).toISOString(), seconds }, WORKS[part]);
    },

    isWorking: (part) => !failing.has(part),

    close() {
      isClosed = true;
    },
  };
}

/** True for a fault of the storage, unless it is one of a single image or file. */
function concernsThePart(error: unknown): error is ImageError {
  if (!(error instanceof ImageError) || error.isLasting || error.mediaId !== null) return false;
  return error.code === 'storage_full' || error.code === 'storage_unavailable';
}
