import type { Image } from '../../../core/domain/image.ts';
import type { CallQuery, FoundCall } from '../../../core/ports/record-store.ts';
import { NEVER, parseImage } from '../rows.ts';
import type { SqliteDatabase } from './database.ts';
import { IS_READABLE } from './schema/unreadable.ts';

/** The reads of calls, synchronous; each promises what the port's method of that name does. */
interface SqliteCallQueries {
  findCall(callId: string): readonly Image[];
  findCalls(query: CallQuery): readonly FoundCall[];
}

export function openCallQueries(sql: SqliteDatabase['sql']): SqliteCallQueries {
  return {
    findCall: (callId) =>
      sql(`
        SELECT document FROM images INDEXED BY images_by_call
        WHERE call_id = ? AND ${IS_READABLE}
        ORDER BY call_index`)
        .all(callId)
        .map(parseImage),

    findCalls({ owner, digest, endedSince, limit }) {
      const rows = sql(`
        SELECT call_id, call_ended_at, created_at, idempotency_key IS NOT NULL AS keyed
        FROM images INDEXED BY images_by_digest
        WHERE owner = ? AND call_digest = ? AND call_ended_at >= ?
        ORDER BY call_ended_at DESC, created_at DESC, call_id DESC
        LIMIT ?`).all(owner, digest, endedSince, limit);
      const found = new Map<string, FoundCall & { readonly createdAt: number }>();
      // Of each call, the image that ends last comes first.
      for (const row of rows) {
        const id = String(row.call_id);
        const earlier = found.get(id);
        found.set(id, {
          id,
          isKeyed: row.keyed === 1 || (earlier?.isKeyed ?? false),
          endedAt: earlier ? earlier.endedAt : row.call_ended_at === NEVER ? null : Number(row.call_ended_at),
          createdAt: Number(row.created_at),
        });
      }
      return [...found.values()]
        .sort((a, b) => a.createdAt - b.createdAt || (a.id < b.id ? -1 : 1))
        .map(({ createdAt: _, ...call }) => call);
    },
  };
}
