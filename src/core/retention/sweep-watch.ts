import type { Logger } from 'pino';
import type { PassedOver } from '../ports/record-store.ts';

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
 * Remembers what sweeps could not do. The log names each such file or image once for as long as it lasts, and the health check says
 * that the latest sweep failed, until one has dealt with everything.
 */
export interface SweepWatch {
  begin(dryRun: boolean): SweepNotes;
  /** What the latest sweep could not do, in one sentence; null where it did everything. Dry runs change nothing here. */
  trouble(): string | null;
}

/** Names kept of one sweep; the rest is counted. */
const MAX_NAMED = 100;
/** Names in the sentence of the health check. */
const MAX_QUOTED = 3;

export function createSweepWatch(log: Logger): SweepWatch {
  let logged: ReadonlySet<string> = new Set();
  let trouble: string | null = null;
  return {
    trouble: () => trouble,

    begin(dryRun) {
      const names = new Set<string>();
      let more = 0;
      const count = () => names.size + more;
      return {
        passOver(name, error) {
          if (names.has(name)) return;
          if (names.size === MAX_NAMED) {
            more += 1;
            return;
          }
          names.add(name);
          if (logged.has(name)) return;
          log.warn({ name, err: error }, 'the cleanup passed this over; the next one tries again');
        },

        passedOver: () => ({ failures: count(), failuresOf: [...names] }),

        end(error) {
          if (dryRun) return;
          logged = names;
          if (error !== undefined) trouble = `the last cleanup failed: ${messageOf(error)}`;
          else trouble = count() === 0 ? null : describe([...names], count());
        },
      };
    },
  };
}

function describe(names: readonly string[], count: number): string {
  const quoted = names.slice(0, MAX_QUOTED).join(', ');
  const rest = count > MAX_QUOTED ? ` and ${count - MAX_QUOTED} more` : '';
  return `the last cleanup could not deal with ${quoted}${rest}; the log says why`;
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
