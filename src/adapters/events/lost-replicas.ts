import type { PostgresDatabase } from '../postgres/database.ts';

/** Notices when a replica is gone, which may have been killed before it could announce a change. */
export interface LostReplicas {
  /** Looks which replicas live, one look at a time. What fails is done the next time. */
  look(): Promise<void>;
  /** Begins anew with the next look. */
  forget(): void;
  /** Resolves when no look is under way. */
  close(): Promise<void>;
}

/** `onLost` is called where a replica that one look has found is not found by the next one. */
export function createLostReplicas(database: Pick<PostgresDatabase, 'read'>, onLost: () => void): LostReplicas {
  let known: ReadonlySet<string> = new Set();
  let looking: Promise<void> | null = null;

  async function compare(): Promise<void> {
    const live = new Set((await database.read(LIVE)).map(({ id }) => String(id)));
    const isOneGone = [...known].some((id) => !live.has(id));
    known = live;
    if (isOneGone) onLost();
  }

  return {
    look() {
      looking ??= compare()
        .catch(() => undefined)
        .finally(() => {
          looking = null;
        });
      return looking;
    },
    forget() {
      known = new Set();
    },
    async close() {
      await looking;
    },
  };
}

/** A replica shows every few seconds that it lives, and is dead after half a minute without. */
const LIVE = "SELECT id FROM easel.instances WHERE seen_at > now() - interval '30 seconds'";
