import type { Problem } from './types.ts';

/** Why a request has no answer: a problem that the service answered with, or null where the service could not be reached. */
export class ServiceError extends Error {
  readonly problem: Problem | null;
  /** Seconds after which it is worth while to send the request again; null where the service does not say. */
  readonly retryAfterSeconds: number | null;

  constructor(problem: Problem | null, retryAfterSeconds: number | null = null) {
    super(problem?.detail ?? 'the service could not be reached');
    this.problem = problem;
    this.retryAfterSeconds = retryAfterSeconds;
  }
}
