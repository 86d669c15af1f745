import type { Logger } from 'pino';
import { faultFields } from '../domain/errors.ts';
import type { PassedOver } from '../ports/record-store.ts';
import type { Telemetry } from '../ports/telemetry.ts';

/** Notes what cannot be dealt with: the name of a file, or a mediaId, and why. */
export type PassOver = (name: string, error: unknown) => void;

/** What one sweep passes over. */
interface SweepNotes {
  readonly passOver: PassOver;
  /** For the report. */
  passedOver(): PassedOver;
  /** Call at the end of the sweep, with the error that ended it early, if one did. */
  end(error?: unknown): void;
}

/**
 * Remembers what sweeps could not do. The log names each such file or image once for as long as it lasts, and a sweep that failed as a
 * whole once for each reason; the health check says that the latest sweep failed, until one has dealt with everything.
 */
export interface SweepWatch {
  begin(dryRun: boolean): SweepNotes;
  /** What the latest sweep could not do, in one sentence; null where it did everything. Dry runs change nothing here. */
  trouble(): string | null;
}

/** Names that one sweep logs and reports; the rest is counted. */
const MAX_NAMED = 100;

export function createSweepWatch(log: Logger, telemetry: Pick<Telemetry, 'cleanupEnded'>): SweepWatch {
  let logged: ReadonlySet<string> = new Set();
  let trouble: string | null = null;
  /** Why the latest sweep failed as a whole; null where it did not. */
  let failure: string | null = null;
  return {
    trouble: () => trouble,

    begin(dryRun) {
      const names = new Set<string>();
      return {
        passOver(name, error) {
          if (names.has(name)) return;
          names.add(name);
          if (logged.has(name) || names.size > MAX_NAMED) return;
          log.warn({ item: name, ...faultFields(error) }, 'the cleanup passed this over; the next one tries again');
        },

        passedOver: () => ({ failures: names.size, failuresOf: [...names].slice(0, MAX_NAMED) }),

        end(error) {
          if (dryRun) return;
          logged = names;
          const before = failure;
          failure = error === undefined ? null : messageOf(error);
          telemetry.cleanupEnded(failure === null);
          if (failure === null) {
            trouble = names.size === 0 ? null : describe(names.size);
            if (before !== null) log.info('the cleanup works again');
          } else {
            trouble = `the last cleanup failed: ${failure}`;
            if (failure !== before) log.error(faultFields(error), 'the cleanup failed; the next one tries again');
          }
        },
      };
    },
  };
}

/** Names nothing: the health check answers without a key. */
function describe(count: number): string {
  const what = count === 1 ? 'one file or picture' : `${count} files and pictures`;
  return `the last cleanup could not deal with ${what}; its report (GET /cleanup/last) says which, and the log why`;
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
