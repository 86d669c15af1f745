import type { Logger } from 'pino';
import type { Delivery } from '../domain/delivery.ts';
import { faultFields } from '../domain/errors.ts';
import type { ToRecord } from '../domain/record.ts';
import type { Clock } from '../ports/clock.ts';
import { retryWhileStorageFails } from '../ports/storage-retry.ts';
import type { Telemetry } from '../ports/telemetry.ts';
import type { DueDelivery, Outbox, WebhookSender } from '../ports/webhooks.ts';
import { deliveryBody, MAX_DELAY_MS, recordTry } from './delivery.ts';

interface DelivererDeps {
  readonly outbox: Outbox;
  readonly sender: WebhookSender;
  readonly toRecord: ToRecord;
  readonly telemetry: Pick<Telemetry, 'webhookTried'>;
  readonly clock: Clock;
  /** For the jitter of retries; in [0, 1). */
  readonly random: () => number;
  readonly log: Logger;
}

/**
 * Worker of the transactional outbox: sends each delivery when it is due. No image waits for it. Of several processes over one outbox, the
 * one that claims a delivery makes the try.
 */
export interface Deliverer {
  /** Starts sending, including the deliveries that an earlier process left due. Call it once. */
  start(): void;
  /** Starts no further try and aborts those under way, whose deliveries stay due. Resolves when none runs. */
  stop(): Promise<void>;
}

/** Tries under way at a time. */
const MAX_CONCURRENT_TRIES = 16;
/** Tries under way at a time to one receiver, so that a receiver that hangs does not use up all of them. */
const MAX_TRIES_PER_RECEIVER = 4;
/** Longest sleep. A wrong clock could ask for more than 2^31 ms, and a timer set to that fires at once. */
const MAX_WAIT_MS = 3_600_000;
/** Pause after an unexpected error, such as one of the database. */
const ERROR_RETRY_DELAY_MS = 5_000;
/**
 * For how long a delivery is claimed for one try, which takes 10 s at most, and the record of its outcome. A process that is killed during
 * the try leaves the delivery to others after that.
 */
const LEASE_MS = 60_000;
/** For how long a delivery that another process has claimed is not looked at. */
const PASS_OVER_MS = 5_000;

export function createDeliverer(deps: DelivererDeps): Deliverer {
  const { outbox, clock, log } = deps;
  const stopping = new AbortController();
  const inFlight = new Map<string, { readonly receiver: string; readonly done: Promise<void> }>();
  /** By id, until when a delivery is left to the process that has claimed it, by the monotonic clock. */
  const passedOver = new Map<string, number>();
  let wake = new AbortController();
  let running = Promise.resolve();
  let isReadable = true;
  outbox.onNew(() => wake.abort());

  async function run(): Promise<void> {
    while (!stopping.signal.aborted) {
      wake = new AbortController();
      const waitMs = await startDueTries().then(noteReadable, noteUnreadable);
      await pause(waitMs, AbortSignal.any([wake.signal, stopping.signal]));
    }
    await Promise.all([...inFlight.values()].map(({ done }) => done));
  }

  function noteReadable(waitMs: number | null): number | null {
    if (!isReadable) log.info('the outbox can be read again; webhooks are sent');
    isReadable = true;
    return waitMs;
  }

  function noteUnreadable(error: unknown): number {
    if (isReadable) log.error(faultFields(error), 'the outbox cannot be read: no webhook is sent until it can be');
    isReadable = false;
    return ERROR_RETRY_DELAY_MS;
  }

  /** Sleeps until `signal` fires or `ms` milliseconds have passed; null: until `signal` fires. */
  async function pause(ms: number | null, signal: AbortSignal): Promise<void> {
    if (signal.aborted) return;
    if (ms !== null) return await clock.sleep(Math.min(ms, MAX_WAIT_MS), signal).catch(() => undefined);
    await new Promise<void>((resolve) => signal.addEventListener('abort', () => resolve(), { once: true }));
  }

  /** Starts the tries that are due, within the limits. Returns the milliseconds until the next is due; null: wait for a wake-up. */
  async function startDueTries(): Promise<number | null> {
    while (inFlight.size < MAX_CONCURRENT_TRIES && !stopping.signal.aborted) {
      const passedOverMs = endPassingOver();
      const underWay = { ids: [...inFlight.keys(), ...passedOver.keys()], receivers: busyReceivers() };
      const next = await outbox.next(underWay, clock.now() + MAX_DELAY_MS);
      if (next === null) return passedOverMs;
      const waitMs = next.dueAt - clock.now();
      if (waitMs > 0 && waitMs <= MAX_DELAY_MS) return Math.min(waitMs, passedOverMs ?? waitMs);
      const { id } = next.delivery;
      if (!(await outbox.claim(id, LEASE_MS))) {
        passedOver.set(id, clock.monotonic() + PASS_OVER_MS);
        continue;
      }
      const done = attempt(next).finally(() => {
        inFlight.delete(id);
        wake.abort();
      });
      inFlight.set(id, { receiver: next.receiver, done });
    }
    return null;
  }

  /** Forgets the deliveries that were passed over long enough. Returns the milliseconds until the next is; null without any. */
  function endPassingOver(): number | null {
    const now = clock.monotonic();
    for (const [id, until] of passedOver) if (until <= now) passedOver.delete(id);
    return passedOver.size === 0 ? null : Math.min(...passedOver.values()) - now;
  }

  function busyReceivers(): readonly string[] {
    const receivers = Map.groupBy(inFlight.values(), ({ receiver }) => receiver);
    return [...receivers].flatMap(([receiver, tries]) => (tries.length < MAX_TRIES_PER_RECEIVER ? [] : [receiver]));
  }

  async function attempt({ delivery, image, receiver }: DueDelivery): Promise<void> {
    const { signal } = stopping;
    const began = clock.now();
    const start = clock.monotonic();
    try {
      const body = await deliveryBody(delivery, image, deps.toRecord);
      const answer = await deps.sender.send({ id: delivery.id, url: delivery.url, body }, signal);
      const durationMs = clock.monotonic() - start;
      const completedTry = { began, ended: clock.now(), durationMs, answer };
      // The outcome must be stored: without it the delivery would be due again at once, for ever.
      const updated = await retryWhileStorageFails({ stopping: signal, clock, log }, () =>
        outbox.update(delivery.id, (current) => recordTry(current, delivery, completedTry, deps.random)),
      );
      if (updated !== null) report(updated, receiver, answer.error);
    } catch (error) {
      if (signal.aborted) {
        // Ends the claim, so that another process need not wait for that; it ends by itself where this fails.
        await outbox.update(delivery.id, (current) => current).catch(() => undefined);
        return;
      }
      log.error(
        { id: delivery.id, ...faultFields(error) },
        'a webhook could not be sent, or its outcome could not be recorded',
      );
      await clock.sleep(ERROR_RETRY_DELAY_MS, signal).catch(() => undefined);
    }
  }

  function report({ id, mediaId, status, series, nextAttemptAt }: Delivery, receiver: string, error: string | null) {
    deps.telemetry.webhookTried(status === 'pending' ? 'retried' : status);
    // The URL is not logged: for many receivers its path is the only secret.
    const line = { mediaId, id, receiver, tries: series.tries };
    if (error === null) log.info(line, 'webhook delivered');
    else if (status === 'pending')
      log.info({ ...line, error, nextAttemptAt }, 'webhook not delivered; it is tried again');
    else if (status === 'disabled') log.info({ ...line, error }, 'webhook not delivered: the receiver wants no more');
    else log.error({ ...line, error }, 'webhook given up');
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
