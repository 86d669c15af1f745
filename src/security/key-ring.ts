import { readFileSync, type StatsListener, unwatchFile, watchFile } from 'node:fs';
import type { Logger } from 'pino';
import { type ApiKey, findConflicts, findKey, type Keys, parseKeyFile } from './api-keys.ts';

/** The API keys that are valid now, kept up to date with their file. */
interface KeyRing extends Keys {
  /** Reads the file again. A file that cannot be used is logged, and the current keys stay in use. */
  reload(): void;
  /** Stops watching the file. */
  close(): void;
}

interface KeyRingOptions {
  /** Keys from the environment, which do not change. */
  readonly fixed: readonly ApiKey[];
  /** Path of the key file; null for none. */
  readonly file: string | null;
  /** The keys that the file held when the settings were read. */
  readonly fromFile: readonly ApiKey[];
  /** Receives the secrets that the file holds in plain text after a reload, so that they are masked. */
  readonly learnSecrets: (secrets: readonly string[]) => void;
  readonly log: Logger;
}

/** Polling interval. Watching the folder for events would be faster, but it does not work for every kind of mount and link. */
const POLL_INTERVAL_MS = 1_000;

/** Opens the API keys and reloads their file within a second of a change, without a restart. */
export function createKeyRing({ fixed, file, fromFile, learnSecrets, log }: KeyRingOptions): KeyRing {
  let keys = [...fixed, ...fromFile];

  // Synchronous, so that of two reloads at the same time the later always wins.
  function reload(): void {
    if (file === null) return;
    try {
      const parsed = parseKeyFile(readFileSync(file, 'utf8'));
      learnSecrets(parsed.secrets);
      const next = [...fixed, ...parsed.keys];
      const issues = parsed.issues.length > 0 ? parsed.issues : findConflicts(next);
      if (issues.length > 0 || next.length === 0) {
        log.error({ file, issues }, 'the API key file is invalid or empty; the current keys stay in use');
        return;
      }
      keys = next;
      log.info({ file, keys: [...new Set(keys.map(({ name }) => name))] }, 'API keys reloaded');
    } catch (error) {
      log.error({ file, err: error }, 'the API key file cannot be read; the current keys stay in use');
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
