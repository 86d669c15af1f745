import type { ServerResponse } from 'node:http';
import type { FastifyInstance, FastifyReply } from 'fastify';

/** The event streams of a scope that are open. */
export interface OpenStreams {
  /** Notes the stream of this answer until its connection is closed. */
  add(reply: FastifyReply): void;
}

/**
 * Watches the streams of `app`. A stop ends every stream by its events; one whose client reads too slowly cannot be ended cleanly, so it is
 * destroyed, and the client reconnects.
 */
export function watchStreams(app: FastifyInstance): OpenStreams {
  const open = new Set<ServerResponse>();
  app.addHook('preClose', async () => {
    for (const response of open) if (response.writableNeedDrain) response.destroy();
  });
  return {
    add({ raw }) {
      open.add(raw);
      raw.once('close', () => open.delete(raw));
    },
  };
}

/** Fires when the client of this answer is gone. */
export function clientGone({ raw }: FastifyReply): AbortSignal {
  const gone = new AbortController();
  raw.once('close', () => gone.abort());
  return gone.signal;
}
