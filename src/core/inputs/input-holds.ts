import { isInputName } from '../domain/file-names.ts';
import { type MediaStore, wrapMediaStore } from '../ports/media-store.ts';
import type { RecordStore } from '../ports/record-store.ts';

/** Keeps inputs in the store from the moment that they are stored until a record names them. */
export interface InputHolds {
  /**
   * Resolves once no removal of these inputs is under way, and lets none begin until the hold is disposed of. Store them within the hold,
   * and accept the image that names them.
   */
  hold(names: readonly string[]): Promise<Disposable>;
}

/** A media store whose `remove` leaves inputs that a record names, and the holds that it respects. */
export interface ProtectedInputs extends InputHolds {
  readonly store: MediaStore;
}

/**
 * Protects inputs, which images share: no record ever names an input that is missing. An input is stored and its image is accepted within a
 * hold; an input is removed only where no hold is on it and, looked up while none can begin, no record names it. So a removal
 * either comes before the input is stored, or finds the record. A crash within a hold leaves a file without a record, which is an orphan.
 *
 * The holds are this process's own. With several replicas over one store a hold becomes a row with a lease in their database, which the
 * look-up of a removal reads as it reads the records.
 */
export function protectInputs(store: MediaStore, records: Pick<RecordStore, 'countSharing'>): ProtectedInputs {
  const holders = new Map<string, number>();
  /** Removals under way, by name. */
  const removals = new Map<string, Promise<void>>();
  /** Called when a hold ends. */
  const waiting = new Set<() => void>();

  const holdEnds = () => new Promise<void>((resolve) => waiting.add(resolve));

  function release(names: readonly string[]): void {
    for (const name of names) {
      const left = (holders.get(name) ?? 1) - 1;
      if (left > 0) holders.set(name, left);
      else holders.delete(name);
    }
    for (const resolve of waiting) resolve();
    waiting.clear();
  }

  async function removeUnlessNamed(name: string): Promise<void> {
    if ((await records.countSharing([name], null)).size === 0) await store.remove([name]);
  }

  /** Removes an input that no record names. */
  async function removeInput(name: string): Promise<void> {
    // One that a record names needs no turn: the removal of the last of these records asks again.
    if ((await records.countSharing([name], null)).size > 0) return;
    for (;;) {
      const other = removals.get(name);
      if (other !== undefined) await other.catch(() => undefined);
      else if (holders.has(name)) await holdEnds();
      else break;
    }
    const removal = removeUnlessNamed(name).finally(() => removals.delete(name));
    removals.set(name, removal);
    await removal;
  }

  return {
    async hold(names) {
      const distinct = [...new Set(names)];
      for (;;) {
        const underWay = distinct.flatMap((name) => removals.get(name) ?? []);
        if (underWay.length === 0) break;
        await Promise.allSettled(underWay);
      }
      for (const name of distinct) holders.set(name, (holders.get(name) ?? 0) + 1);
      let isHeld = true;
      return {
        [Symbol.dispose]() {
          if (isHeld) release(distinct);
          isHeld = false;
        },
      };
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
