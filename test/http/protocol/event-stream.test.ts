import { type AddressInfo, connect } from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';
import { fastify } from 'fastify';
import { expect, test } from 'vitest';
import { DEFAULT_TIMEOUTS, pauseSocketTimeout } from '../../../src/http/connections/timeouts.ts';
import { sendEvents } from '../../../src/http/protocol/event-stream.ts';
import { createTestClock } from '../../support/test-clock.ts';

test('a client that reads nothing for too long is disconnected, and one that reads is not', async () => {
  const timeouts = { ...DEFAULT_TIMEOUTS, stalledMs: 2_000 };
  const app = fastify({ connectionTimeout: timeouts.stalledMs });
  pauseSocketTimeout(app, timeouts);
  const clock = createTestClock({ skipMs: 0 });
  const opened: string[] = [];
  const closed: string[] = [];
  async function* endless() {
    for (let id = 0; ; id++) yield { id: String(id), type: 'status', data: { text: 'x'.repeat(1024 * 1024) } };
  }
  app.get('/:who', (request, reply) => {
    const { who } = request.params as { who: string };
    opened.push(who);
    reply.raw.once('close', () => closed.push(who));
    return sendEvents(reply, endless(), clock);
  });
  await app.listen({ host: '127.0.0.1', port: 0 });
  const { port } = app.server.address() as AddressInfo;

  const open = (who: string) => {
    const socket = connect(port, '127.0.0.1').on('error', () => {});
    socket.write(`GET /${who} HTTP/1.1\r\nHost: x\r\n\r\n`);
    return socket;
  };
  const stalled = open('stalled').pause();
  // The other stream keeps the process so busy that a connection which is opened with it may not be accepted for seconds.
  await expect.poll(() => opened).toEqual(['stalled']);
  const reads = open('reads').resume();
  await expect.poll(() => closed).toEqual(['stalled']);
  await delay(2 * timeouts.stalledMs);
  expect([opened, closed]).toEqual([['stalled', 'reads'], ['stalled']]);
  reads.destroy();
  stalled.destroy();
  await app.close();
});
