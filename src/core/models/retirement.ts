import type { Logger } from 'pino';
import type { Clock } from '../ports/clock.ts';
import type { Provider } from '../ports/provider.ts';

/** A model in use that its provider is going to retire, or has retired. */
export interface Shutdown {
  readonly model: string;
  /** First day (YYYY-MM-DD, UTC) on which it is not served. */
  readonly date: string;
  readonly successor: string | null;
}

/** Knows until when models are served: by the catalog, and by what providers announce themselves, which wins. */
export interface ShutdownWatch {
  /** The same provider, its models' rows with the dates that are known by now. */
  watch(provider: Provider): Provider;
  /** Asks every watched provider that announces dates. Never rejects: one that does not answer is logged, and what was known stays. */
  refresh(signal: AbortSignal): Promise<void>;
  /** The models in use that have a date, each once, with its earliest. */
  known(): readonly Shutdown[];
  /** Those of them that are retired, or will be within 30 days. */
  soon(): readonly Shutdown[];
  /** Logs each of `soon` once. */
  warn(): void;
}

interface ShutdownWatchDeps {
  /** Ids of the models that the service is set up for; others are looked at when a request asks for them. */
  readonly inUse: readonly string[];
  readonly clock: Clock;
  readonly log: Logger;
}

const WARNING_MS = 30 * 86_400_000;

export function createShutdownWatch({ inUse, clock, log }: ShutdownWatchDeps): ShutdownWatch {
  const watched: { readonly plain: Provider; readonly dated: Provider; dates: ReadonlyMap<string, string> }[] = [];
  const warned = new Set<string>();

  function known(): readonly Shutdown[] {
    const earliest = new Map<string, Shutdown>();
    for (const { dated } of watched) {
      for (const asked of inUse) {
        const { id = asked, shutdownDate: date = null, successor = null } = dated.model(asked) ?? {};
        // A provider may have a model of its own for what is asked; the placeholder stands in for it under its own name.
        const model = id === dated.name ? asked : id;
        const other = earliest.get(model);
        if (date !== null && (other === undefined || date < other.date))
          earliest.set(model, { model, date, successor });
      }
    }
    return [...earliest.values()];
  }

  const soon = () => known().filter(({ date }) => shutdownTime(date) - clock.now() <= WARNING_MS);

  return {
    watch(plain) {
      const dated: Provider = {
        name: plain.name,
        supportsSize: plain.supportsSize,
        controlSequences: plain.controlSequences,
        generate: (call, options) => plain.generate(call, options),
        shutdownDates: async (signal) => (await plain.shutdownDates?.(signal)) ?? new Map(),
        model(id) {
          const model = plain.model(id);
          const date = model && entry.dates.get(model.id);
          return model && date !== null && date !== undefined ? { ...model, shutdownDate: date } : model;
        },
      };
      const entry = { plain, dated, dates: new Map() as ReadonlyMap<string, string> };
      watched.push(entry);
      return dated;
    },

    async refresh(signal) {
      await Promise.all(
        watched.map(async (entry) => {
          try {
            entry.dates = (await entry.plain.shutdownDates?.(signal)) ?? entry.dates;
          } catch (error) {
            if (signal.aborted) return;
            const reason = error instanceof Error ? error.message : String(error);
            log.info({ provider: entry.plain.name, reason }, 'the list of models could not be read; the catalog holds');
          }
        }),
      );
    },

    known,
    soon,

    warn() {
      for (const shutdown of soon()) {
        const sentence = describeShutdown(shutdown, clock.now());
        if (warned.has(sentence)) continue;
        warned.add(sentence);
        log.warn({ model: shutdown.model, shutdownDate: shutdown.date }, sentence);
      }
    },
  };
}

/** What is going to happen, or has, and what to do about it. */
export function describeShutdown({ model, date, successor }: Shutdown, now: number): string {
  const advice = successor === null ? 'choose another model' : `use ${successor}`;
  return `${model} ${isShutDown(date, now) ? 'was' : 'will be'} shut down on ${date}; ${advice}`;
}

/** Whether a model of this shutdown date (YYYY-MM-DD) is served no more. */
export function isShutDown(date: string, now: number): boolean {
  return now >= shutdownTime(date);
}

/** 00:00 UTC of the day, in milliseconds since 1970. */
export function shutdownTime(date: string): number {
  return Date.parse(`${date}T00:00:00Z`);
}
