import type { FastifyInstance } from 'fastify';
import type { OpenConnections } from './open-connections.ts';

/** A line of the log at most this often. */
const LOG_INTERVAL_MS = 60_000;

/**
 * Keeps the connections of `app` within `max`, so that open files are left for all else: for each one more, the connection is closed
 * that has been without a request for longest, or the new one where all others are being answered.
 */
export function boundConnections(app: FastifyInstance, connections: OpenConnections, max: number): void {
  const { sockets, isInactive, onOpen } = connections;
  let closed = 0;
  let quietUntil = 0;
  onOpen(() => {
    if (sockets.size <= max) return;
    // The new one is the last of them, and was not answered yet.
    const idle = sockets.keys().find(isInactive);
    if (idle === undefined) return;
    idle.destroy();
    closed += 1;
    if (performance.now() < quietUntil) return;
    quietUntil = performance.now() + LOG_INTERVAL_MS;
    app.log.warn(
      { closed, max },
      'there are too many connections for the limit of open files (ulimit -n): idle ones are closed',
    );
    closed = 0;
  });
  // Where the system has no descriptor left, a connection that cannot be accepted must not end the process.
  app.server.on('error', (error) => {
    if (app.server.listening) app.log.warn({ err: error }, 'a connection could not be accepted');
  });
}
