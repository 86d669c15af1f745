import { once } from 'node:events';
import { type AddressInfo, createServer } from 'node:net';

/** A loopback address of this process's own: no other program listens there, so that a port that was free stays free. */
export const OWN_LOOPBACK = `127.${1 + (process.pid % 250)}.${(process.pid >> 8) % 250}.7`;

/** A port that is free at `OWN_LOOPBACK`. */
export async function freePort(): Promise<number> {
  const server = createServer().listen(0, OWN_LOOPBACK);
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  server.close();
  await once(server, 'close');
  return port;
}
