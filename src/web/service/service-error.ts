import type { Problem } from './types.ts';

/** Why a request has no answer: a problem that the service answered with, or null where the service could not be reached. */
export class ServiceError extends Error {
  readonly problem: Problem | null;

  constructor(problem: Problem | null) {
    super(problem?.detail ?? 'the service could not be reached');
    this.problem = problem;
  }
}
