/**
 * Locks by name between all processes that share the records. A lock ends with the process that holds it. It has no queue: a caller that
 * does not get it asks again.
 *
 * While the connection to the server that keeps them is lost, another process may take a lock that is held here, so that a lock saves work
 * and keeps order; what must be right whatever happens is decided by the records.
 */
export interface Locks {
  /**
   * Takes the lock, or resolves to null where that is not possible now. `shared` locks of one name go together, and exclude an exclusive
   * one. Raises `ImageError` with `storage_unavailable` where the server cannot be reached.
   */
  tryLock(name: string, mode?: LockMode): Promise<AsyncDisposable | null>;
}

export type LockMode = 'exclusive' | 'shared';
