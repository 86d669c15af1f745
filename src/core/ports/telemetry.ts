import type { WebhookOutcome } from '../domain/delivery.ts';
import type { Image } from '../domain/image.ts';
import type { Cost } from '../domain/money.ts';

/** Counts events of the core. No method raises. */
export interface Telemetry {
  imageEnded(image: Image): void;
  providerCall(provider: string, outcome: string): void;
  providerRetry(provider: string): void;
  /** The provider refused the account: its key, quota, billing or verification. */
  accountFault(provider: string): void;
  stage(stage: Stage, seconds: number): void;
  spent(provider: string, model: string, cost: Cost): void;
  /** A try to deliver a webhook has ended. */
  webhookTried(outcome: WebhookOutcome): void;
  /** A cleanup that was no dry run has ended. `succeeded` is true also where it passed over single files. */
  cleanupEnded(succeeded: boolean): void;
}

/** The stages of a job. */
export const STAGES = ['generate', 'store', 'finish', 'publish', 'deferred'] as const;
export type Stage = (typeof STAGES)[number];

/** Counts events of the whole service, and exposes the counts as metrics. */
export interface Metrics extends Telemetry {
  readonly countRequest: CountRequest;
  /** All metrics in Prometheus' text format, and its content type. */
  expose(): Promise<{ readonly contentType: string; readonly body: string }>;
}

/**
 * Counts an answered request. `route` is a pattern such as `/images/:mediaId`, never a path; `problem` is the code of the problem it was
 * answered with, of the closed list; null where it was none. Does not raise.
 */
export type CountRequest = (
  method: string,
  route: string,
  status: number,
  seconds: number,
  problem: string | null,
) => void;
