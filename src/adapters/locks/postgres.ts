import type { Locks } from '../../core/ports/locks.ts';
import type { PostgresSession } from '../postgres/session.ts';
import { createLocalLocks } from './local.ts';

/**
 * Locks between all processes over one PostgreSQL database: its advisory locks, which end with the session of a process that dies. Locks of
 * one session do not exclude each other, so that those of this process are kept here, too.
 */
export function createPostgresLocks(session: Pick<PostgresSession, 'tryLock'>): Locks {
  const local = createLocalLocks();
  return {
    async tryLock(name, mode = 'exclusive') {
      await using mine = await local.tryLock(name, mode).then((lock) => {
        const stack = new AsyncDisposableStack();
        if (lock) stack.use(lock);
        return lock ? stack : null;
      });
      if (mine === null) return null;
      const lock = await session.tryLock(`easel ${name}`, mode);
      if (lock === null) return null;
      mine.use(lock);
      return mine.move();
    },
  };
}
