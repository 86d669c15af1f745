import { isInputName } from '../domain/file-names.ts';
import type { Clock } from '../ports/clock.ts';
import { takeLock } from '../ports/lock-wait.ts';
import type { Locks } from '../ports/locks.ts';
import { type MediaStore, wrapMediaStore } from '../ports/media-store.ts';
import type { RecordStore } from '../ports/record-store.ts';

/** Keeps inputs in the store from the moment that they are stored until a record names them. */
export interface InputHolds {
  /**
   * Resolves once no removal of these inputs is under way, and lets none begin until the hold is disposed of. Store them within the hold,
   * and accept the image that names them. Raises `storage_unavailable` where the locks cannot be reached.
   */
  hold(names: readonly string[]): Promise<Disposable>;
}

/** A media store whose `remove` leaves inputs that a record names, and the holds that it respects. */
export interface ProtectedInputs extends InputHolds {
  readonly store: MediaStore;
}

interface ProtectedInputsDeps {
  readonly records: Pick<RecordStore, 'countSharing'>;
  readonly locks: Locks;
  readonly clock: Pick<Clock, 'sleep'>;
}

/**
 * Protects inputs, which images share: no record ever names an input that is missing. An input is stored and its image is accepted within a
 * hold; an input is removed only where no hold is on it and, looked up while none can begin, no record names it. So a removal
 * either comes before the input is stored, or finds the record. A crash within a hold leaves a file without a record, which is an orphan.
 *
 * A hold is a shared lock on the input's name, a removal has the exclusive one, among all processes over these records. Where a process
 * loses the connection that its locks are kept by within a hold, a removal may begin: the image then fails with `storage_unavailable`, and
 * the same request brings its pictures again.
 */
export function protectInputs(store: MediaStore, { records, locks, clock }: ProtectedInputsDeps): ProtectedInputs {
  const isNamed = async (name: string) => (await records.countSharing([name], null)).size > 0;

  /** Removes an input that no record names. */
  async function removeInput(name: string): Promise<void> {
    // One that a record names needs no turn: the removal of the last of these records asks again.
    if (await isNamed(name)) return;
    await using _ = await takeLock(locks, name, { clock });
    if (!(await isNamed(name))) await store.remove([name]);
  }

  return {
    async hold(names) {
      await using taken = new AsyncDisposableStack();
      // A hold that waits for one of them with others in hand waits for a removal, which waits for no other lock.
      for (const name of new Set(names)) taken.use(await takeLock(locks, name, { mode: 'shared', clock }));
      const held = taken.move();
      // A lock that cannot be given back has ended with the connection that kept it.
      return { [Symbol.dispose]: () => void held.disposeAsync().catch(() => undefined) };
    },

    store: wrapMediaStore(store, {
      async remove(names) {
        const inputs = [...new Set(names.filter(isInputName))];
        const removals = [
          store.remove(names.filter((name) => !isInputName(name))),
          ...inputs.map((name) => removeInput(name)),
        ];
        const failed = (await Promise.allSettled(removals)).find((result) => result.status === 'rejected');
        if (failed) throw failed.reason;
      },
    }),
  };
}
