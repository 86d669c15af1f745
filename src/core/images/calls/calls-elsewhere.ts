import type { Logger } from 'pino';
import { faultFields } from '../../domain/errors.ts';
import type { Clock } from '../../ports/clock.ts';
import { takeLock } from '../../ports/lock-wait.ts';
import type { Locks } from '../../ports/locks.ts';
import type { FoundCall, RecordStore } from '../../ports/record-store.ts';

/** What is known of some calls in all processes. */
interface KnownCalls {
  /** Ids of those that a client waits for at another process; those of this one are among them. */
  readonly awaited: ReadonlySet<string>;
  /** Ids of those that a client was given. */
  readonly delivered: ReadonlySet<string>;
}

/**
 * The clients of calls at the other processes over the same records. That a client waits for a call is a shared lock, which ends with the
 * process; that a call was delivered stands in its first record, written after the answer, so a crash in between may forget it: a retry may
 * then be given a picture that another client has, and nothing is called or paid for that.
 */
export interface CallsElsewhere {
  /** A client here waits for the call until it is disposed of. */
  enter(callId: string): Promise<Disposable>;
  lookAt(calls: readonly FoundCall[]): Promise<KnownCalls>;
  /** Writes it down soon; a failure is logged. */
  noteDelivered(callId: string): void;
  /** Keeps clients from entering the call until it is disposed of; null where a client waits for it, here or elsewhere. */
  close(callId: string): Promise<AsyncDisposable | null>;
  /**
   * Submits a call while no retry of an equal one is submitted at another process, and a retry while no equal call is: so it finds what it
   * repeats, and of several retries the second knows of the first.
   */
  inTurn<Result>(kind: string, retry: boolean, submit: () => Promise<Result>): Promise<Result>;
}

interface CallsElsewhereDeps {
  readonly records: Pick<RecordStore, 'get' | 'update'>;
  readonly locks: Locks;
  readonly clock: Pick<Clock, 'sleep'>;
  readonly log: Logger;
}

/** Of more equal calls within ten minutes, the newer ones count as delivered to none. */
const MAX_LOOKED_AT = 100;

const lockOf = (callId: string) => `call ${callId}`;

export function createCallsElsewhere({ records, locks, clock, log }: CallsElsewhereDeps): CallsElsewhere {
  /** Locks that are being given back. */
  const releases = new Set<Promise<void>>();

  function release(lock: AsyncDisposable): void {
    const released = Promise.resolve(lock[Symbol.asyncDispose]())
      // It has ended with the connection that kept it.
      .catch(() => undefined)
      .finally(() => releases.delete(released));
    releases.add(released);
  }

  async function tryAlone(callId: string): Promise<AsyncDisposable | null> {
    await Promise.all(releases);
    return await locks.tryLock(lockOf(callId));
  }

  async function isAwaited(callId: string): Promise<boolean> {
    await using alone = await tryAlone(callId);
    return alone === null;
  }

  return {
    close: tryAlone,

    async enter(callId) {
      const lock = await takeLock(locks, lockOf(callId), { mode: 'shared', clock });
      return { [Symbol.dispose]: () => release(lock) };
    },

    async lookAt(calls) {
      const awaited = new Set<string>();
      const delivered = new Set<string>();
      for (const { id, isKeyed, endedAt } of calls.slice(0, MAX_LOOKED_AT)) {
        if (await isAwaited(id)) awaited.add(id);
        // A call that is not finished can have been answered too, with the promise of its pictures.
        else if ((await records.get(id))?.call?.delivered) delivered.add(id);
        // One that no client has or waits for is chosen before any newer one.
        else if (endedAt === null && !isKeyed) break;
      }
      return { awaited, delivered };
    },

    noteDelivered(callId) {
      records
        .update(callId, (image) =>
          image.call && !image.call.delivered ? { ...image, call: { ...image.call, delivered: true } } : null,
        )
        .catch((error: unknown) =>
          log.warn({ callId, ...faultFields(error) }, 'a call was delivered, which is not on record'),
        );
    },

    async inTurn(kind, retry, submit) {
      await using _ = await takeLock(locks, `calls ${kind}`, { mode: retry ? 'exclusive' : 'shared', clock });
      return await submit();
    },
  };
}
