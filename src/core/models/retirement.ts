import type { Logger } from 'pino';
import type { Model } from '../domain/model.ts';
import type { Clock } from '../ports/clock.ts';
import { type Provider, wrapProvider } from '../ports/provider.ts';

/** The retirement of a model in use, announced or past. */
interface Shutdown {
  readonly model: string;
  /** First day (YYYY-MM-DD, UTC) on which the provider no longer serves the model. */
  readonly date: string;
  readonly successor: string | null;
}

/** Shutdown dates of models, from the catalog and from the providers themselves; a provider's own date wins. */
export interface ShutdownWatch {
  /** Wraps a provider so that the rows of its models have the dates it announces. */
  watch(provider: Provider): Provider;
  /** Asks every watched provider for its dates. Never rejects: a failure is logged, and the dates known so far are kept. */
  refresh(signal: AbortSignal): Promise<void>;
  /** The models in use that have a shutdown date, each once with its earliest date. */
  known(): readonly Shutdown[];
  /** Those of `known` that are retired already or will be within 30 days. */
  soon(): readonly Shutdown[];
  /** Logs a warning for each of `soon`, each once. */
  warn(): void;
}

interface ShutdownWatchDeps {
  /** Ids of the models in the settings. Models that only requests name are checked when a request names one. */
  readonly inUse: readonly string[];
  readonly clock: Clock;
  readonly log: Logger;
}

const WARNING_MS = 30 * 86_400_000;

export function createShutdownWatch({ inUse, clock, log }: ShutdownWatchDeps): ShutdownWatch {
  const watched: WatchedProvider[] = [];
  const logged = new Set<string>();

  function known(): readonly Shutdown[] {
    const earliest = new Map<string, Shutdown>();
    for (const entry of watched) {
      for (const requested of inUse) {
        const row = datedModel(entry, requested);
        if (row === null || row.shutdownDate === null) continue;
        const { id, shutdownDate: date, successor } = row;
        // A provider may serve an own model in place of the requested one, so the row's id counts. A row of the placeholder
        // provider has that provider's name as its id and the dates of the requested model, so there the requested id counts.
        const model = id === entry.provider.name ? requested : id;
        const other = earliest.get(model);
        if (other === undefined || date < other.date) earliest.set(model, { model, date, successor });
      }
    }
    return [...earliest.values()];
  }

  const soon = () => known().filter(({ date }) => shutdownTime(date) - clock.now() <= WARNING_MS);

  return {
    watch(provider) {
      const entry: WatchedProvider = { provider, announced: new Map() };
      watched.push(entry);
      return wrapProvider(provider, { model: (id) => datedModel(entry, id) });
    },

    async refresh(signal) {
      await Promise.all(
        watched.map(async (entry) => {
          try {
            entry.announced = (await entry.provider.shutdownDates?.(signal)) ?? entry.announced;
          } catch (error) {
            if (signal.aborted) return;
            const reason = error instanceof Error ? error.message : String(error);
            log.info(
              { provider: entry.provider.name, reason },
              'the list of models could not be read; the shutdown dates known so far are kept',
            );
          }
        }),
      );
    },

    known,
    soon,

    warn() {
      for (const shutdown of soon()) {
        const sentence = describeShutdown(shutdown, clock.now());
        if (logged.has(sentence)) continue;
        logged.add(sentence);
        log.warn({ model: shutdown.model, shutdownDate: shutdown.date }, sentence);
      }
    },
  };
}

interface WatchedProvider {
  readonly provider: Provider;
  /** Shutdown dates by model id, as the provider announced them last. */
  announced: ReadonlyMap<string, string>;
}

function datedModel({ provider, announced }: WatchedProvider, id: string): Model | null {
  const model = provider.model(id);
  const date = model && announced.get(model.id);
  return model && date ? { ...model, shutdownDate: date } : model;
}

/** A sentence on the retirement of a model, past or announced, with what to use instead. `now` in milliseconds since 1970. */
export function describeShutdown({ model, date, successor }: Shutdown, now: number): string {
  const advice = successor === null ? 'choose another model' : `use ${successor}`;
  return `${model} ${isShutDown(date, now) ? 'was' : 'will be'} shut down on ${date}; ${advice}`;
}

/** Whether a model with this shutdown date (YYYY-MM-DD, UTC) is retired at `now`, in milliseconds since 1970. */
export function isShutDown(date: string, now: number): boolean {
  return now >= shutdownTime(date);
}

/** 00:00 UTC of a day (YYYY-MM-DD), in milliseconds since 1970. */
export function shutdownTime(date: string): number {
  return Date.parse(`${date}T00:00:00Z`);
}
