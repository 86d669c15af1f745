import { readFileSync, type StatsListener, unwatchFile, watchFile } from 'node:fs';
import type { Logger } from 'pino';
import { type ApiKey, findConflicts, findKey, parseKeyFile } from './api-keys.ts';

/** The API keys that count at this moment. */
export interface KeyRing {
  /** Whether there are keys at all; without any, everyone may do everything. */
  readonly inUse: boolean;
  find(secret: string): ApiKey | null;
}

export interface WatchedKeyRing extends KeyRing {
  /** Reads the file again. What cannot be used is logged, and the keys stay as they were. */
  reload(): void;
  close(): void;
}

/** How often the file is looked at. Its folder's events would come sooner, but not for every kind of mount and link. */
const POLL_INTERVAL_MS = 1_000;

export interface KeyRingOptions {
  /** Keys that stay as long as the process. */
  readonly fixed: readonly ApiKey[];
  /** File of further keys, one a line; null for none. */
  readonly file: string | null;
  /** What the file held when the settings were read. */
  readonly fromFile: readonly ApiKey[];
  readonly log: Logger;
}

/** Keys that follow their file: a changed file counts a second later, without a restart. */
export function createKeyRing({ fixed, file, fromFile, log }: KeyRingOptions): WatchedKeyRing {
  let keys = [...fixed, ...fromFile];

  // Read at one go, so that of two orders that come together the later never loses to the earlier.
  function reload(): void {
    if (file === null) return;
    try {
      const read = parseKeyFile(readFileSync(file, 'utf8'));
      const next = [...fixed, ...read.keys];
      const issues = read.issues.length > 0 ? read.issues : findConflicts(next);
      if (issues.length > 0 || next.length === 0) {
        log.error(
          { file, faults: issues },
          'the file of API keys is not right, or is empty; the keys stay as they were',
        );
        return;
      }
      keys = next;
      log.info({ file, keys: [...new Set(keys.map(({ name }) => name))] }, 'API keys read again');
    } catch (error) {
      log.error({ file, err: error }, 'the file of API keys cannot be read; the keys stay as they were');
    }
  }

  const onChange: StatsListener = () => reload();
  if (file !== null) watchFile(file, { interval: POLL_INTERVAL_MS, persistent: false }, onChange);
  return {
    inUse: keys.length > 0,
    find: (secret) => findKey(keys, secret),
    reload,
    close: () => {
      if (file !== null) unwatchFile(file, onChange);
    },
  };
}
