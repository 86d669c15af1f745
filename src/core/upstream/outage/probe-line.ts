import { createChangeSignal } from '../change-signal.ts';

/** The jobs that wait to probe one provider, in order. */
export interface ProbeLine {
  /** Puts the job at the end of the line, unless it stands there. */
  join(job: symbol): void;
  leave(job: symbol): void;
  /** True for the first job in line: the next probe is its own. */
  isFirst(job: symbol): boolean;
  /** Fires when a job has joined or left; a new signal then takes its place. */
  readonly changed: AbortSignal;
}

export function createProbeLine(): ProbeLine {
  const line = new Set<symbol>();
  const change = createChangeSignal();
  return {
    get changed() {
      return change.next;
    },
    join(job) {
      if (line.has(job)) return;
      line.add(job);
      change.fire();
    },
    leave(job) {
      if (line.delete(job)) change.fire();
    },
    isFirst: (job) => line.values().next().value === job,
  };
}
