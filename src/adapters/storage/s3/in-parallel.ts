/** Calls at the same time for one piece of work. */
const AT_ONCE = 16;

/** Does the work for every item, sixteen at a time, in no promised order. Rejects with the first error, once all that began has ended. */
export async function inParallel<T>(items: readonly T[], work: (item: T) => Promise<void>): Promise<void> {
  const waiting = items.values();
  let failed = false;
  const workers = Array.from({ length: Math.min(AT_ONCE, items.length) }, async () => {
    for (const item of waiting) {
      if (failed) return;
      try {
        await work(item);
      } catch (error) {
        failed = true;
        throw error;
      }
    }
  });
  for (const worker of await Promise.allSettled(workers)) if (worker.status === 'rejected') throw worker.reason;
}
