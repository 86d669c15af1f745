import type { Logger } from 'pino';
import type { Delivery } from '../domain/delivery.ts';
import type { MediaUrls } from '../domain/record.ts';
import type { Clock } from '../ports/clock.ts';
import { retryWhileStorageFails } from '../ports/storage-retry.ts';
import type { Telemetry } from '../ports/telemetry.ts';
import type { DueDelivery, Outbox, WebhookSender } from '../ports/webhooks.ts';
import { deliveryBody, recordTry } from './delivery.ts';

export interface DelivererDeps {
  readonly outbox: Outbox;
  readonly sender: WebhookSender;
  /** Where pictures are, for those who are told of them. */
  readonly urls: MediaUrls;
  readonly telemetry: Pick<Telemetry, 'webhookTried'>;
  readonly clock: Clock;
  /** In [0, 1). */
  readonly random: () => number;
  readonly log: Logger;
}

/** Sends what the outbox holds, when it is due. Nothing waits for it: who ends an image has only written a row. */
export interface Deliverer {
  /** Begins with what is due, that of earlier processes included. */
  start(): void;
  /** Begins no further try and breaks off those under way; they stay due. Resolves when none runs. */
  stop(): Promise<void>;
}

/** Tries at once, in all … */
const MAX_CONCURRENT_TRIES = 16;
/** … and of one receiver, so that one that hangs does not take all of them. */
const MAX_TRIES_PER_RECEIVER = 4;
/** Also bounds what a wrong clock can do: a timer has 2^31 ms at most, and one that is set to more fires at once. */
const MAX_WAIT_MS = 3_600_000;
const ERROR_RETRY_DELAY_MS = 5_000;

export function createDeliverer(deps: DelivererDeps): Deliverer {
  const { outbox, clock, log } = deps;
  const stopping = new AbortController();
  const inFlight = new Map<string, { readonly receiver: string; readonly done: Promise<void> }>();
  let wake = new AbortController();
  let running = Promise.resolve();
  outbox.onNew(() => wake.abort());

  async function run(): Promise<void> {
    while (!stopping.signal.aborted) {
      wake = new AbortController();
      const waitMs = await startDueTries().catch((error: unknown) => {
        log.error({ err: error }, 'the outbox could not be read; trying again');
        return ERROR_RETRY_DELAY_MS;
      });
      await pause(waitMs, AbortSignal.any([wake.signal, stopping.signal]));
    }
    await Promise.all([...inFlight.values()].map(({ done }) => done));
  }

  /** Null waits for the signal alone. */
  async function pause(ms: number | null, signal: AbortSignal): Promise<void> {
    if (signal.aborted) return;
    if (ms !== null) return await clock.sleep(Math.min(ms, MAX_WAIT_MS), signal).catch(() => undefined);
    await new Promise<void>((resolve) => signal.addEventListener('abort', () => resolve(), { once: true }));
  }

  /** Starts every try that is due and has room. Milliseconds until the next is due; null where only an end makes room. */
  async function startDueTries(): Promise<number | null> {
    while (inFlight.size < MAX_CONCURRENT_TRIES && !stopping.signal.aborted) {
      const next = await outbox.next({ ids: [...inFlight.keys()], receivers: busyReceivers() });
      if (next === null) return null;
      const waitMs = next.dueAt - clock.now();
      if (waitMs > 0) return waitMs;
      const { id } = next.delivery;
      const done = attempt(next).finally(() => {
        inFlight.delete(id);
        wake.abort();
      });
      inFlight.set(id, { receiver: next.receiver, done });
    }
    return null;
  }

  function busyReceivers(): readonly string[] {
    const receivers = Map.groupBy(inFlight.values(), ({ receiver }) => receiver);
    return [...receivers].flatMap(([receiver, tries]) => (tries.length < MAX_TRIES_PER_RECEIVER ? [] : [receiver]));
  }

  async function attempt({ delivery, image, receiver }: DueDelivery): Promise<void> {
    const { signal } = stopping;
    const began = clock.now();
    try {
      const body = deliveryBody(delivery, image, deps.urls);
      const answer = await deps.sender.send({ id: delivery.id, url: delivery.url, body }, signal);
      const completedTry = { began, ended: clock.now(), answer };
      // Lost, it would be sent again at once and without end.
      const updated = await retryWhileStorageFails({ stopping: signal, clock, log }, () =>
        outbox.update(delivery.id, (current) => recordTry(current, delivery, completedTry, deps.random)),
      );
      if (updated !== null) report(updated, receiver, answer.error);
    } catch (error) {
      if (signal.aborted) return;
      log.error({ id: delivery.id, err: error }, 'a webhook could not be sent or its outcome not be recorded');
      await clock.sleep(ERROR_RETRY_DELAY_MS, signal).catch(() => undefined);
    }
  }

  function report({ id, mediaId, status, series, nextAttemptAt }: Delivery, receiver: string, error: string | null) {
    deps.telemetry.webhookTried(status === 'pending' ? 'retried' : status);
    // The address stays out of the log: its path is often all the secret a receiver has.
    const line = { mediaId, id, receiver, tries: series.tries };
    if (error === null) log.info(line, 'webhook delivered');
    else log.warn({ ...line, error, nextAttemptAt }, 'webhook not delivered');
  }

  return {
    start() {
      running = run();
    },
    async stop() {
      stopping.abort();
      await running;
    },
  };
}
