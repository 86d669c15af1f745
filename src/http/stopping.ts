import type { FastifyInstance } from 'fastify';
import { ImageError } from '../images/errors.ts';

/**
 * Refuses what would begin or change something once `stopping`, or when the app has begun to close. Reading goes on, so
 * that pictures are served until the end; but each answer ends its connection, since a kept one would hold up the close.
 */
export function refuseWorkWhile(stopping: () => boolean, app: FastifyInstance): void {
  let closing = false;
  app.addHook('preClose', async () => {
    closing = true;
  });
  app.addHook('onRequest', ({ method }, _reply, done) => {
    const refused = (closing || stopping()) && method !== 'GET' && method !== 'HEAD';
    const detail = 'the service is stopping and takes no more work; try again shortly';
    done(refused ? new ImageError('shutting_down', detail) : undefined);
  });
  // Also for calls that came before the order and are answered after it.
  app.addHook('onSend', (_request, reply, payload, done) => {
    if (closing || stopping()) reply.header('connection', 'close');
    done(null, payload);
  });
}
