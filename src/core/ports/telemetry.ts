import type { WebhookOutcome } from '../domain/delivery.ts';
import type { Image } from '../domain/image.ts';
import type { Cost } from '../domain/money.ts';

export interface Metrics extends Telemetry {
  readonly countRequest: CountRequest;
  /** All metrics as Prometheus text, and its content type. */
  expose(): Promise<{ readonly contentType: string; readonly body: string }>;
}

/** Counts answered requests. `route` is a pattern, never a path. */
export type CountRequest = (method: string, route: string, status: number, seconds: number) => void;

export const STAGES = ['generate', 'store', 'finish', 'publish', 'deferred'] as const;
export type Stage = (typeof STAGES)[number];

/** Counts what happens. Never raises. */
export interface Telemetry {
  imageEnded(image: Image): void;
  providerCall(provider: string, outcome: string): void;
  providerRetry(provider: string): void;
  /** The provider refused the account: its key, quota, billing or verification. */
  accountFault(provider: string): void;
  stage(stage: Stage, seconds: number): void;
  spent(provider: string, model: string, cost: Cost): void;
  /** A try to deliver a webhook has ended: what the delivery has become, or that it is tried again. */
  webhookTried(outcome: WebhookOutcome): void;
}
